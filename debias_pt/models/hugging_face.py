"""Checkpoints in the form of transformers: ``CLIPModel``, ``SiglipModel`` and ``Siglip2Model``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from debias_pt.errors import BackboneError
from debias_pt.models.names import Source, loading_failed, require_transformers
from debias_pt.utils.words import shortened

NO_CODE = {"trust_remote_code": False}  # a folder's own code is not run, and transformers does not ask whether to
KINDS = {"clip": "CLIPModel", "siglip": "SiglipModel", "siglip2": "Siglip2Model"}
# A transformer block's parts, and open_clip's names for them; query, key and value are one matrix there.
BLOCK = {
    "layer_norm1": "ln_1", "layer_norm2": "ln_2", "self_attn.out_proj": "attn.out_proj",
    "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj",
}  # fmt: skip
OTHERS = {
    "logit_scale": "logit_scale",
    "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "text_model.final_layer_norm.weight": "ln_final.weight",
    "text_model.final_layer_norm.bias": "ln_final.bias",
    "vision_model.embeddings.class_embedding": "visual.class_embedding",
    "vision_model.embeddings.patch_embedding.weight": "visual.conv1.weight",
    "vision_model.embeddings.position_embedding.weight": "visual.positional_embedding",
    "vision_model.pre_layrnorm.weight": "visual.ln_pre.weight",
    "vision_model.pre_layrnorm.bias": "visual.ln_pre.bias",
    "vision_model.post_layernorm.weight": "visual.ln_post.weight",
    "vision_model.post_layernorm.bias": "visual.ln_post.bias",
}
TURNED = {"text_projection.weight": "text_projection", "visual_projection.weight": "visual.proj"}
TOWERS = {"text_model.encoder.layers.": "transformer", "vision_model.encoder.layers.": "visual.transformer"}


def from_transformers(source: Source) -> dict[str, Any]:
    """Load a checkpoint by path or hub name and return what :class:`~debias_pt.models.Backbone` takes for it.

    ``CLIPModel`` is turned into open_clip's ``CLIP``, whose text pass is the faster one; SigLIP stays what it is.
    Weights are read from safetensors where there are any; a pickle is read as tensors, and nothing in it is executed.

    Raises
    ------
    BackboneError
        If transformers is not installed, the model is of another kind, or it cannot be loaded.
    """
    require_transformers(source.model)
    place = source.model.partition(":")[2]
    if place.startswith((".", "/")) and not Path(place).is_dir():
        raise BackboneError(f"{place}: no such folder; give the folder of a checkpoint, or a name on the hub")
    try:
        model, tokenizer, processor = _load(place)
    except BackboneError:
        raise
    except Exception as error:
        raise BackboneError(loading_failed(source, error)) from error
    config = json.loads(json.dumps(model.config.to_dict(), default=str))
    unlike = {"_name_or_path", "transformers_version", "architectures", "dtype", "torch_dtype"}
    return {
        "model": as_open_clip(model) if config["model_type"] == "clip" else SiglipTowers(model),
        "tokenizer": tokenizer,
        "preprocess": Processor(processor, patches=config["model_type"] == "siglip2"),
        "name": Path(place).name if Path(place).is_dir() else place,
        "config": {key: value for key, value in config.items() if key not in unlike},
        "preprocessing": {"transformers": json.loads(json.dumps(processor.to_dict(), default=str))},
    }


def _load(place: str) -> tuple[Any, Any, Any]:
    import transformers
    from open_clip.tokenizer import HFTokenizer

    kind = transformers.AutoConfig.from_pretrained(place, **NO_CODE).model_type
    if kind not in KINDS:
        raise BackboneError(
            f"{place!r} is a {kind!r} of transformers, not one of {', '.join(KINDS.values())}; use those"
        )
    model, missing = getattr(transformers, KINDS[kind]).from_pretrained(
        place, output_loading_info=True, torch_dtype=torch.float32, weights_only=True, **NO_CODE
    )
    lacks = [*missing["missing_keys"], *missing.get("mismatched_keys", [])]
    if lacks:
        raise BackboneError(
            f"{place!r} lacks {len(lacks)} of the model's weights, {shortened(str(sorted(map(str, lacks))[0]), 80)} "
            "among them; give a whole checkpoint"
        )
    tokenizer = HFTokenizer(place, context_length=model.config.text_config.max_position_embeddings, **NO_CODE)
    return model, tokenizer, transformers.AutoImageProcessor.from_pretrained(place, **NO_CODE)


class Processor:
    """What a checkpoint's own image processor does, for one image.

    Parameters
    ----------
    processor : transformers.BaseImageProcessor
        Of the checkpoint.
    patches : bool
        Siglip2 keeps an image's shape: its input is a list of patches, as many for each image, the last ones empty.
        They become one tensor ``(1, N + 1, P)``, whose last row begins with the patches' rows and columns.
    """

    def __init__(self, processor: Callable[..., Any], *, patches: bool = False) -> None:
        self.processor, self.patches = processor, patches

    def __call__(self, image: Image.Image) -> Tensor:
        """Return the model's input, ``(3, H, W)`` or ``(1, N + 1, P)``."""
        made = self.processor(images=image, return_tensors="pt")
        pixels: Tensor = made["pixel_values"][0]
        if not self.patches:
            return pixels
        shape = nn.functional.pad(made["spatial_shapes"][0].to(pixels.dtype), (0, pixels.shape[1] - 2))
        return torch.cat([pixels, shape[None]])[None]


class SiglipTowers(nn.Module):
    """transformers' SigLIP as open_clip's models are called.

    Parameters
    ----------
    model : transformers.SiglipModel or transformers.Siglip2Model
        Shares its weights.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.visual, self.text = model.vision_model, model.text_model
        self.logit_scale, self.logit_bias = model.logit_scale, model.logit_bias
        self._patches = model.config.model_type == "siglip2"

    def encode_image(self, images: Tensor, normalize: bool = False) -> Tensor:
        """Encode what :class:`Processor` gives to features ``(B, D)``."""
        # In order, not by name: the mask's name differs between versions.
        return _features(self.visual(*(_unpacked(images) if self._patches else (images,))), normalize)

    def encode_text(self, text: Tensor, normalize: bool = False) -> Tensor:
        """Encode token ids ``(B, L)`` to features ``(B, D)``; padding is part of the input, as in pretraining."""
        return _features(self.text(input_ids=text), normalize)


def _unpacked(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return patches, which of them are used, and their rows and columns."""
    pixels, shapes = images[:, 0, :-1], images[:, 0, -1, :2].long()
    used = torch.arange(pixels.shape[1], device=pixels.device) < shapes.prod(dim=1, keepdim=True)
    return pixels, used.int(), shapes


def _features(output: Any, normalize: bool) -> Tensor:
    features: Tensor = output.pooler_output
    return nn.functional.normalize(features, dim=-1) if normalize else features


def as_open_clip(model: Any) -> nn.Module:
    """Return open_clip's ``CLIP`` with the weights of a ``CLIPModel``.

    Raises
    ------
    BackboneError
        If an activation is neither GELU nor QuickGELU, or differs between the towers.
    """
    from open_clip.model import CLIP

    text, vision = model.config.text_config, model.config.vision_config
    activations = {text.hidden_act, vision.hidden_act}
    if len(activations) > 1 or not activations <= {"quick_gelu", "gelu"}:
        raise BackboneError(
            f"the activations {sorted(activations)} are not supported; quick_gelu or gelu in both towers"
        )
    pool = {"pool_type": "argmax"} if text.eos_token_id == 2 else {"pool_type": "eos", "eos_id": text.eos_token_id}
    made: nn.Module = CLIP(
        embed_dim=model.config.projection_dim,
        quick_gelu=activations == {"quick_gelu"},
        vision_cfg={
            **_tower(vision),
            "head_width": vision.hidden_size // vision.num_attention_heads,
            "image_size": vision.image_size,
            "patch_size": vision.patch_size,
        },
        text_cfg={
            **_tower(text),
            **pool,
            "heads": text.num_attention_heads,
            "context_length": text.max_position_embeddings,
            "vocab_size": text.vocab_size,
        },
    )
    made.load_state_dict(renamed(model.state_dict()))
    return made


def _tower(config: Any) -> dict[str, Any]:
    return {
        "width": config.hidden_size,
        "layers": config.num_hidden_layers,
        "mlp_ratio": config.intermediate_size / config.hidden_size,
        "norm_kwargs": {"eps": config.layer_norm_eps},
    }


def renamed(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a ``CLIPModel``'s weights under open_clip's names."""
    made = {other: weights[name] for name, other in OTHERS.items()}
    made |= {other: weights[name].T for name, other in TURNED.items()}
    for beginning, tower in TOWERS.items():
        numbers = {name.removeprefix(beginning).partition(".")[0] for name in weights if name.startswith(beginning)}
        for number in numbers:
            here, there = f"{beginning}{number}.", f"{tower}.resblocks.{number}."
            for kind in ("weight", "bias"):
                parts = [weights[f"{here}self_attn.{part}_proj.{kind}"] for part in "qkv"]
                made[f"{there}attn.in_proj_{kind}"] = torch.cat(parts)
                made |= {f"{there}{other}.{kind}": weights[f"{here}{name}.{kind}"] for name, other in BLOCK.items()}
    return made
