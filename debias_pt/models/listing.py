"""What ``--model`` can name: open_clip's architectures with their weights, and what is in the local hub cache."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import open_clip
import torch
from huggingface_hub import constants

from debias_pt.errors import DebiasWarning, UnknownNameError
from debias_pt.models.backbone import no_logging
from debias_pt.models.hugging_face import KINDS
from debias_pt.models.names import needs_transformers, resolve_names
from debias_pt.utils.files import read_json
from debias_pt.utils.registry import nearest

WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".npz")


def list_models(name: str | None = None, *, cache: Path | None = None) -> dict[str, Any]:
    """List the models that can be named, or one in detail.

    Parameters
    ----------
    name : str, optional
        A model, for its weights one by one, or a part of several models' names. Case does not matter.
    cache : Path, optional
        The hub's cache folder; default is where ``huggingface_hub`` keeps it.

    Returns
    -------
    dict
        ``models``: a list of name, tags, features (size D of the joint embedding), image_size (pixels), text_pass,
        trained_with ("softmax" or "sigmoid"), needs (a package that is missing, or None) and cached (tags). ``hub``:
        names with ``hf-hub:`` or ``hf:`` that are in the cache. Of a single model, ``weights`` too: of every tag
        what it loads, its preprocessing and whether it is in the cache; and ``parameters``, their number, or None where
        only a download knows it.

    Raises
    ------
    UnknownNameError
        If no model's name contains `name`; names the nearest one.
    """
    folder = Path(constants.HF_HUB_CACHE) if cache is None else cache
    known = open_clip.list_models()
    wanted = (name or "").replace("/", "-").lower()
    exact = [one for one in known if one.lower() == wanted]
    chosen = exact or [one for one in known if wanted in one.lower()]
    if not chosen:
        raise UnknownNameError(f"no model is called {name!r}{nearest(str(name), known)}; debias-pt models lists all")
    found: dict[str, Any] = {"models": [_row(one, folder) for one in chosen], "hub": _in_hub_cache(folder, wanted)}
    if exact:
        (one,) = exact
        found["weights"] = [_weights(one, tag, folder) for tag in open_clip.list_pretrained_tags_by_model(one)]
        found["parameters"] = _parameters(one)
    return found


def text_pass_of(config: dict[str, Any]) -> str:
    """Return how a prompt that differs at its end goes through an architecture's text tower.

    Examples
    --------
    >>> text_pass_of(open_clip.get_model_config("ViT-B-16-SigLIP2"))
    'whole'
    """
    text = config["text_cfg"]
    if "hf_model_name" in text:
        return "cut"
    at_end = text.get("pool_type", "argmax") in ("argmax", "eos")
    return "shared" if at_end and not text.get("no_causal_mask") and not text.get("embed_cls") else "whole"


def _row(name: str, cache: Path) -> dict[str, Any]:
    config = open_clip.get_model_config(name)
    tags = open_clip.list_pretrained_tags_by_model(name)
    missing = needs_transformers(config) and find_spec("transformers") is None
    return {
        "name": name,
        "tags": tags,
        "features": config["embed_dim"],
        "image_size": config["vision_cfg"].get("image_size", 224),
        "text_pass": text_pass_of(config),
        "trained_with": "sigmoid" if "init_logit_bias" in config else "softmax",
        "needs": "transformers" if missing else None,
        "cached": [tag for tag in tags if _is_cached(open_clip.get_pretrained_cfg(name, tag), cache)],
    }


def _weights(name: str, tag: str, cache: Path) -> dict[str, Any]:
    known = open_clip.get_pretrained_cfg(name, tag)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DebiasWarning)
        loads = resolve_names(name, tag).model if find_spec("transformers") else name
    return {
        "tag": tag,
        "loads": loads,
        "mean": list(known["mean"]),
        "std": list(known["std"]),
        "interpolation": known.get("interpolation"),
        "resize_mode": known.get("resize_mode"),
        "repository": known.get("hf_hub") or known.get("url"),
        "cached": _is_cached(known, cache),
    }


def _is_cached(known: dict[str, Any], cache: Path) -> bool:
    """Tell whether a tag's weights are in the hub's cache, or where open_clip keeps what has an address only."""
    repository = "/".join((known.get("hf_hub") or "").split("/")[:2])
    if repository and _snapshot(cache, repository, WEIGHTS) is not None:
        return True
    file = (known.get("url") or "").rpartition("/")[2]
    return bool(file) and (Path.home() / ".cache" / "clip" / file).is_file()


def _snapshot(cache: Path, repository: str, suffixes: tuple[str, ...]) -> Path | None:
    """Return a repository's downloaded folder that has such a file, the newest, or None."""
    folders = (cache / f"models--{repository.replace('/', '--')}" / "snapshots").glob("*/")
    found = [
        folder for folder in folders if any(file.suffix in suffixes and file.exists() for file in folder.iterdir())
    ]
    return max(found, key=lambda folder: folder.stat().st_mtime, default=None)


def _in_hub_cache(cache: Path, wanted: str) -> list[str]:
    """Return the names of downloaded repositories that hold a model which can be loaded."""
    names = []
    for place in sorted(cache.glob("models--*")):
        repository = place.name.removeprefix("models--").replace("--", "/")
        folder = _snapshot(cache, repository, WEIGHTS)
        if folder is not None and wanted in repository.lower():
            if (folder / "open_clip_config.json").is_file():
                names.append(f"hf-hub:{repository}")
            elif (folder / "config.json").is_file() and read_json(folder / "config.json").get("model_type") in KINDS:
                names.append(f"hf:{repository}")
    return names


def _parameters(name: str) -> int | None:
    """Count a model's parameters, without memory for them; a text encoder's configuration may be a download."""
    if "hf_model_name" in open_clip.get_model_config(name)["text_cfg"]:
        return None
    with torch.device("meta"), no_logging():
        model = open_clip.create_model(name, pretrained=None, device="meta")
    return sum(int(weight.numel()) for weight in model.parameters())
