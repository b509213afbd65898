"""Random checkpoints in the form of transformers, and of open_clip with other text towers, as users have them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from studies.model_coverage.small_tokenizers import write_tokenizer
from studies.model_coverage.stand_ins import build, small_config

TEXT = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
VISION = {**TEXT, "image_size": 32, "patch_size": 8}
FOLDERS = {"clip": "byte-pairs of CLIP", "siglip": "sentence-piece padded with end", "siglip2": "byte-fallback"}


def write_transformers(folder: Path, kind: str, *, safe: bool = True, **more: Any) -> Path:
    """Write a random checkpoint with tokenizer and image processor, as ``save_pretrained`` does."""
    import transformers

    text: dict[str, Any] = {**TEXT, "vocab_size": write_tokenizer(FOLDERS[kind], folder)}
    vision: dict[str, Any] = dict(VISION)
    torch.manual_seed(0)
    if kind == "clip":
        text |= {"eos_token_id": text["vocab_size"] - 1, "max_position_embeddings": 77, **more}
        vision |= {"hidden_act": more.get("hidden_act", "quick_gelu")}
        config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=24)
        model = transformers.CLIPModel(config)
        processor = transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    elif kind == "siglip":
        text |= {"max_position_embeddings": 64}
        model = transformers.SiglipModel(transformers.SiglipConfig(text_config=text, vision_config=vision))
        processor = transformers.SiglipImageProcessor(size={"height": 32, "width": 32})
    else:
        text |= {"max_position_embeddings": 64}
        vision = {**TEXT, "num_patches": 16, "patch_size": 8}
        model = transformers.Siglip2Model(transformers.Siglip2Config(text_config=text, vision_config=vision))
        processor = transformers.Siglip2ImageProcessor(patch_size=8, max_num_patches=16)
    for weight in model.parameters():  # the usual start is so small that every text has nearly the same features
        torch.nn.init.normal_(weight, std=0.1)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def write_open_clip(folder: Path, name: str) -> Path:
    """Write a small random checkpoint of an architecture for ``local-dir:``, with a plain image tower."""
    config = small_config(name, folder / "parts")
    config["vision_cfg"] = {"layers": 1, "width": 64, "head_width": 16, "patch_size": 8, "image_size": 32}
    shutil.copytree(config["text_cfg"]["hf_tokenizer_name"], folder, dirs_exist_ok=True)
    images = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": images}))
    weights = {key: value.contiguous() for key, value in build(config).state_dict().items()}
    save_file(weights, folder / "open_clip_model.safetensors")
    return folder
