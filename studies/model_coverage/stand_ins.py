"""Small random models with the structure of open_clip's, tokenizer and all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import open_clip
import timm
import torch
from open_clip.tokenizer import HFTokenizer

from debias_pt.models.backbone import Backbone

from .small_tokenizers import kind_of, write_tokenizer

WIDTH, HEADS, LAYERS = 64, 4, 2
# What makes a timm model small, by the beginning of its name.
SMALL_TIMM: dict[str, dict[str, Any]] = {
    "vit_pe": {"embed_dim": WIDTH, "depth": 1, "num_heads": 1},
    "vit_relpos": {"embed_dim": WIDTH, "depth": 1, "num_heads": HEADS},
    "vit_base_mci": {"depth": 1},
    "vit_": {"embed_dim": WIDTH, "depth": 1, "num_heads": HEADS},
    "eva": {"embed_dim": WIDTH, "depth": 1, "num_heads": HEADS},
    "convnext": {"depths": (1, 1, 1, 1), "dims": (16, 16, 32, 32)},
    "swin": {"depths": (1, 1, 1, 1), "embed_dim": 32, "num_heads": (1, 2, 4, 8)},
    "fastvit_mci3": {"layers": (1, 1, 1, 1, 1), "embed_dims": (32, 32, 32, 32, 32)},
    "fastvit_mci4": {"layers": (1, 1, 1, 1, 1), "embed_dims": (32, 32, 32, 32, 32)},
    "fastvit": {"layers": (1, 1, 1, 1), "embed_dims": (32, 32, 32, 32)},
    "vitamin": {"depth": 1},
}
# The encoders that open_clip takes from transformers, small.
ENCODERS: dict[str, dict[str, Any]] = {
    "xlm-roberta": {
        "model_type": "xlm-roberta", "hidden_size": WIDTH, "num_hidden_layers": LAYERS, "intermediate_size": 128,
        "num_attention_heads": HEADS, "max_position_embeddings": 130, "type_vocab_size": 1, "pad_token_id": 1,
    },
    "roberta": {
        "model_type": "roberta", "hidden_size": WIDTH, "num_hidden_layers": LAYERS, "intermediate_size": 128,
        "num_attention_heads": HEADS, "max_position_embeddings": 130, "type_vocab_size": 1, "pad_token_id": 1,
    },
    "mt5": {
        "model_type": "mt5", "d_model": WIDTH, "d_kv": 16, "d_ff": 128, "num_layers": LAYERS, "num_heads": HEADS,
        "feed_forward_proj": "gated-gelu", "pad_token_id": 0,
    },
    "nllb": {
        "model_type": "m2m_100", "d_model": WIDTH, "encoder_layers": LAYERS, "encoder_attention_heads": HEADS,
        "encoder_ffn_dim": 128, "decoder_layers": 1, "decoder_attention_heads": HEADS, "decoder_ffn_dim": 128,
        "scale_embedding": True, "max_position_embeddings": 128, "pad_token_id": 1,
    },
}  # fmt: skip


def stand_in(name: str, folder: Path) -> Backbone:
    """Return a small model of an architecture, with random weights.

    Text tower, pooling, masks, projections, context length, tokenizer and biases are the architecture's; width, depth,
    vocabulary and image size are small.

    Parameters
    ----------
    name : str
        One of ``open_clip.list_models()``.
    folder : Path
        Where small tokenizers and configurations are kept.
    """
    config = small_config(name, folder)
    model = build(config)
    preprocess = open_clip.image_transform(model.visual.image_size, is_train=False)  # type: ignore[union-attr]
    return Backbone(model, small_tokenizer(config["text_cfg"]), preprocess, name=name, config=config)


def small_config(name: str, folder: Path) -> dict[str, Any]:
    """Return the architecture's configuration, made small."""
    config: dict[str, Any] = open_clip.get_model_config(name)
    text, vision = config["text_cfg"], config["vision_cfg"]
    config["embed_dim"] = WIDTH  # towers without a projection have it too
    if "hf_tokenizer_name" in text:
        kind = kind_of(text["hf_tokenizer_name"])
        text["hf_tokenizer_name"] = str(folder / kind.replace(" ", "-"))
        text["vocab_size"] = write_tokenizer(kind, Path(text["hf_tokenizer_name"]))
    if "hf_model_name" in text:
        text["hf_model_name"] = _write_encoder(text, folder)
        text["hf_model_pretrained"] = False
    else:
        text |= {"width": WIDTH, "heads": HEADS, "layers": LAYERS}
    if "multimodal_cfg" in config:
        config["multimodal_cfg"] |= {"width": WIDTH, "heads": 2, "layers": 1, "attn_pooler_heads": 2}
    _shrink_vision(vision)
    return config


def _write_encoder(text: dict[str, Any], folder: Path) -> str:
    kind = next(kind for kind in ENCODERS if kind in text["hf_model_name"])
    place = folder / f"{kind}-encoder"
    place.mkdir(parents=True, exist_ok=True)
    (place / "config.json").write_text(json.dumps({**ENCODERS[kind], "vocab_size": text["vocab_size"]}))
    return str(place)


def _shrink_vision(vision: dict[str, Any]) -> None:
    if "timm_model_name" in vision:
        vision["timm_model_pretrained"] = False
        return
    if isinstance(vision["layers"], list):
        vision |= {"layers": [1, 1, 1, 1], "width": 8, "image_size": 64}
        return
    vision |= {"layers": 1, "width": WIDTH, "head_width": 16, "image_size": 2 * vision["patch_size"]}
    if "attn_pooler_heads" in vision:
        vision["attn_pooler_heads"] = 2


def build(config: dict[str, Any]) -> torch.nn.Module:
    """Build a model from a configuration, the same weights every time."""
    from open_clip.coca_model import CoCa
    from open_clip.model import CLIP, CustomTextCLIP

    custom = config.get("custom_text", False) or "hf_model_name" in config["text_cfg"]
    kind = CoCa if "multimodal_cfg" in config else CustomTextCLIP if custom else CLIP
    with torch.random.fork_rng(), small_timm():
        torch.manual_seed(0)
        made: torch.nn.Module = kind(**{key: value for key, value in config.items() if key != "custom_text"})
    return made


@contextmanager
def small_timm() -> Iterator[None]:
    """Let timm build small models meanwhile."""
    make = timm.create_model

    def small(name: str, **options: Any) -> torch.nn.Module:
        family = next((family for family in SMALL_TIMM if name.startswith(family)), "")
        made: torch.nn.Module = partial(make, name, **options)(**SMALL_TIMM.get(family, {}))
        return made

    with patch.object(timm, "create_model", small):
        yield


def small_tokenizer(text: dict[str, Any]) -> Any:
    """Return the tokenizer of a small configuration."""
    length = text.get("context_length", 77)
    options = text.get("tokenizer_kwargs", {})
    if "hf_tokenizer_name" in text:
        return HFTokenizer(text["hf_tokenizer_name"], context_length=length, **options)
    return open_clip.SimpleTokenizer(context_length=length, **options)
