"""Every (model, weights) pair of open_clip's table: what ``--model`` and ``--pretrained`` load, with small weights."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import open_clip
import torch
from open_clip import factory
from safetensors.torch import save_file

from debias_pt.errors import DebiasWarning
from debias_pt.models.backbone import Backbone
from debias_pt.models.names import needs_transformers, resolve_names

from .stand_ins import small_timm


@dataclass(frozen=True)
class Loaded:
    """What a pair loads.

    Attributes
    ----------
    model, tag : str
        As they are named.
    loads : str
        The model that is built: its own or its twin with the other GELU.
    gelu, preprocessing : str
        What it runs with.
    transformers : bool
        Whether the package is needed.
    holds : bool
        Whether GELU and preprocessing are those of open_clip's table, and a weights file gives the same as the tag.
    """

    model: str
    tag: str
    loads: str
    gelu: str
    preprocessing: str
    transformers: bool
    holds: bool


def load_pairs(name: str, config: dict[str, Any], model: torch.nn.Module, folder: Path) -> list[Loaded]:
    """Load all weights that a model is built for, by tag and by file, through the path that users take.

    Only the download is replaced, by a file of small random weights.

    Parameters
    ----------
    name : str
        The architecture.
    config, model
        Its stand-in's.
    folder : Path
        Where the file is written.
    """
    pairs = [(other, tag) for other, tag in open_clip.list_pretrained() if _quietly_resolved(other, tag) == name]
    file = folder / "weights.safetensors"
    if pairs:
        save_file({key: value.contiguous() for key, value in model.state_dict().items()}, file)
    with _in_place(name, config, file):
        return [_load(other, tag, name, file) for other, tag in pairs]


def _quietly_resolved(model: str, tag: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DebiasWarning)
        return resolve_names(model, tag).model


def _load(model: str, tag: str, name: str, file: Path) -> Loaded:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DebiasWarning)
        by_tag, by_file = Backbone.load(model, tag), Backbone.load(model, f"{tag}={file}")
    known = open_clip.get_pretrained_cfg(model, tag)
    used: dict[str, Any] = by_tag.fingerprint["preprocessing"]
    config = open_clip.get_model_config(name)
    alike = all(_same(used[key], known[key]) for key in ("mean", "std", "interpolation", "resize_mode") if key in known)
    quick = bool(config.get("quick_gelu", False))
    # Of roberta the table lacks what its configuration says.
    right_gelu = quick == bool(known.get("quick_gelu", False)) or name == "roberta-ViT-B-32"
    return Loaded(
        model=model,
        tag=tag,
        loads=name,
        gelu="QuickGELU" if quick else "GELU",
        preprocessing=_described(used),
        transformers=needs_transformers(config),
        holds=alike and by_tag.fingerprint == by_file.fingerprint and right_gelu,
    )


def _same(one: Any, other: Any) -> bool:
    return list(one) == list(other) if isinstance(other, tuple | list) else bool(one == other)


def _described(used: dict[str, Any]) -> str:
    mean = {0.5: "0.5", 0.48145466: "OpenAI", 0.0: "0 to 1", 0.485: "ImageNet"}.get(used["mean"][0], str(used["mean"]))
    return f"{mean}, {used['interpolation']}, {used['resize_mode']}"


@contextmanager
def _in_place(name: str, config: dict[str, Any], file: Path) -> Iterator[None]:
    """Let open_clip build the small model under the architecture's name, and find its weights downloaded."""
    with (
        patch.dict(factory._MODEL_CONFIGS, {name: config}),
        patch.object(factory, "download_pretrained", lambda *a, **k: str(file)),
        small_timm(),
    ):
        yield
