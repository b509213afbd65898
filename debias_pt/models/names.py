"""What ``--model`` and ``--pretrained`` mean: one model, its weights, and how it was trained to be used."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import open_clip

from debias_pt.errors import BackboneError, DebiasWarning
from debias_pt.utils.registry import nearest
from debias_pt.utils.words import shortened

SCHEMAS = ("local-dir:", "hf-hub:", "hf:")
# Checkpoints inside the package, by folder name: the miniature's model.
BUILT_IN = Path(__file__).parent
# What open_clip's table of weights says of preprocessing, and open_clip's name for the option.
PREPROCESSING = {
    "mean": "image_mean", "std": "image_std", "interpolation": "image_interpolation",
    "resize_mode": "image_resize_mode",
}  # fmt: skip


@dataclass(frozen=True)
class Source:
    """A model and its weights.

    Attributes
    ----------
    model : str
        As open_clip takes it, or ``hf:`` and a path or name.
    pretrained : str or None
        As :meth:`debias_pt.models.Backbone.load` takes it again.
    weights : str or None
        A tag or a file, as open_clip takes it.
    options : dict
        What else open_clip has to know.
    """

    model: str
    pretrained: str | None = None
    weights: str | None = None
    options: dict[str, Any] = field(default_factory=dict)


def resolve_names(model: str | None, pretrained: str | None) -> Source:
    """Return the model and weights that two names stand for, or refuse with the nearest known name.

    Raises
    ------
    BackboneError
        If a name is unknown, the names contradict each other, or it is not known how a weights file is to be used.

    Warns
    -----
    DebiasWarning
        If the weights were trained with the other GELU, so that the model's twin is loaded; or if nothing is known of
        a file's preprocessing.

    Examples
    --------
    >>> resolve_names("ViT-B-16-SigLIP", "webli").weights
    'webli'
    """
    if pretrained is not None and pretrained.startswith(SCHEMAS):
        if model is not None and model != pretrained:
            raise BackboneError(
                f"model {model!r} and pretrained {pretrained!r} name two models; leave the model out, "
                f"{pretrained.partition(':')[0]} brings its own"
            )
        model, pretrained = pretrained, None
    if model is None:
        raise BackboneError(f"no model given (pretrained is {pretrained!r}); give --model NAME")
    if model != "mini" and not model.startswith(SCHEMAS):
        return _named(model.replace("/", "-"), pretrained)  # open_clip takes ViT-B/32 for ViT-B-32
    if pretrained is not None:
        raise BackboneError(f"{model!r} brings its own weights, yet pretrained is {pretrained!r}; leave it out")
    if model == "mini":
        return Source(f"local-dir:{BUILT_IN / model}")
    if model.startswith("local-dir:"):
        _require_local_dir(Path(model.partition(":")[2]))
    return Source(model)


def _named(model: str, pretrained: str | None) -> Source:
    known = ["mini", *open_clip.list_models()]
    if model not in known:
        raise BackboneError(
            f"unknown model {model!r}{nearest(model, known)}; debias-pt models lists all {len(known)}, "
            "local-dir:PATH, hf-hub:ORG/REPO and hf:PATH_OR_NAME work too"
        )
    tags: list[str] = open_clip.list_pretrained_tags_by_model(model)
    if pretrained is None:
        raise BackboneError(f"no weights given for {model!r}; give --pretrained, known tags: {', '.join(tags)}")
    require_transformers(model, open_clip.get_model_config(model))
    if pretrained in tags:
        model, options = _with_its_gelu(model, pretrained)
        return Source(model, pretrained, pretrained, options)
    tag, file = split_file(pretrained)
    if not Path(file).is_file() or (tag is not None and tag not in tags):
        raise BackboneError(
            f"unknown pretrained tag {tag or pretrained!r} for {model!r}{nearest(tag or pretrained, tags)}, and no "
            f"such file; known tags: {', '.join(tags)}"
        )
    tag = tag or _tag_like(model, file, tags)
    if tag is None:
        return Source(model, pretrained, file)
    config = open_clip.get_pretrained_cfg(model, tag)
    model, options = _with_its_gelu(model, tag)
    as_trained = {option: config[name] for name, option in PREPROCESSING.items() if config.get(name) is not None}
    return Source(model, pretrained, file, {**options, **as_trained})


def split_file(pretrained: str) -> tuple[str | None, str]:
    """Return tag and file of ``TAG=FILE``; of a file alone the tag is None.

    Examples
    --------
    >>> split_file("openai=weights/vit.pt")
    ('openai', 'weights/vit.pt')
    >>> split_file("weights/vit.pt")
    (None, 'weights/vit.pt')
    """
    tag, equals, file = pretrained.partition("=")
    return (tag, file) if equals and not Path(pretrained).is_file() else (None, pretrained)


def _with_its_gelu(model: str, tag: str) -> tuple[str, dict[str, Any]]:
    """Return the model, or its twin, that has the GELU the weights were trained with, and open_clip's option.

    Weights run with the other GELU give plausible, wrong numbers (open_clip issues 441 and 771).
    """
    if _gelu_fits(model, tag):
        return model, {}
    twin = twin_of(model)
    if twin in open_clip.list_models():
        warnings.warn(
            f"{tag!r} was not trained with the GELU of {model!r}; loading {twin!r}, which has the same architecture "
            "and the right one",
            DebiasWarning,
            stacklevel=4,
        )
        return twin, {}
    return model, {"force_quick_gelu": True}


def _gelu_fits(model: str, tag: str) -> bool:
    """Tell whether a model runs with the GELU of the weights; where it has no twin without QuickGELU, it is believed.

    The table of weights does not say QuickGELU of ``roberta-ViT-B-32``, whose configuration does, as that beside the
    weights.
    """
    trained_with = bool(open_clip.get_pretrained_cfg(model, tag).get("quick_gelu", False))
    runs_with = bool(open_clip.get_model_config(model).get("quick_gelu", False))
    return trained_with == runs_with or (runs_with and twin_of(model) not in open_clip.list_models())


def twin_of(model: str) -> str:
    """Return the name of the same architecture with the other GELU.

    Examples
    --------
    >>> twin_of("ViT-B-32"), twin_of("ViT-B-32-quickgelu")
    ('ViT-B-32-quickgelu', 'ViT-B-32')
    """
    plain = model.removesuffix("-quickgelu")
    return plain if plain != model else f"{model}-quickgelu"


def _tag_like(model: str, file: str, tags: Sequence[str]) -> str | None:
    """Return a tag whose weights are used as those in the file must be, if all of the model's tags agree."""
    alike: dict[str, str] = {}
    for tag in tags:
        config = open_clip.get_pretrained_cfg(model, tag)
        use = {name: config.get(name) for name in PREPROCESSING}
        alike.setdefault(repr([use, _gelu_fits(model, tag)]), tag)
    if len(alike) > 1 or (alike and not _gelu_fits(model, next(iter(alike.values())))):
        raise BackboneError(
            f"{file}: weights of {model!r} differ in preprocessing or GELU; say which these are like: "
            f"{' or '.join(f'--pretrained {tag}={file}' for tag in alike.values())}"
        )
    if not alike:
        warnings.warn(
            f"{file}: open_clip knows no weights of {model!r}, so images are prepared as OpenAI's; if these were "
            "trained otherwise, give a folder with open_clip_config.json (local-dir:PATH)",
            DebiasWarning,
            stacklevel=4,
        )
    return next(iter(alike.values()), None)


def needs_transformers(config: dict[str, Any]) -> bool:
    """Tell whether a model's tokenizer or text encoder comes from transformers."""
    text = config.get("text_cfg", {})
    return bool(text.get("hf_model_name") or text.get("hf_tokenizer_name"))


def require_transformers(model: str, config: dict[str, Any] | None = None) -> None:
    """Refuse a model that needs the package transformers, where that is not installed.

    Raises
    ------
    BackboneError
        Says what to install.
    """
    if (config is None or needs_transformers(config)) and find_spec("transformers") is None:
        raise BackboneError(f"{model!r} needs the package transformers; pip install 'debias-pt[hf]'")


def _require_local_dir(folder: Path) -> None:
    if not (folder / "open_clip_config.json").is_file():
        other = f", or --model hf:{folder}" if (folder / "config.json").is_file() else ""
        raise BackboneError(
            f"{folder}: no open_clip_config.json here; give the folder of an open_clip checkpoint{other}"
        )
    if not any(file.suffix in (".safetensors", ".bin", ".pth") for file in folder.iterdir()):
        raise BackboneError(f"{folder}: no weights here (*.safetensors, *.bin, *.pth); give a whole checkpoint")
    try:
        config = json.loads((folder / "open_clip_config.json").read_text(encoding="utf-8"))["model_cfg"]
    except (ValueError, KeyError, TypeError) as error:
        raise BackboneError(
            f"{folder}/open_clip_config.json: no JSON with model_cfg ({type(error).__name__}); give a whole checkpoint"
        ) from error
    require_transformers(f"local-dir:{folder}", config)


def loading_failed(source: Source, error: Exception) -> str:
    """Return what to say if a model did not load."""
    model, weights = source.model, source.weights
    if find_spec("transformers") is None and "transformers" in str(error):
        return f"{model!r} needs the package transformers; pip install 'debias-pt[hf]'"
    if any(mark in str(error) for mark in ("weights_only", "Weights only", "TorchScript")):
        return (
            f"the weights {weights or model!r} hold more than tensors (a pickle that names code, or TorchScript); that "
            "is not run: write their tensors to a .safetensors file where you trust them, and give that"
        )
    if model.startswith(("local-dir:", "hf:")) or (weights is not None and Path(weights).is_file()):
        reason = shortened(str(error), 160)
        return f"the weights {weights or model!r} do not fit the model {model!r}: {reason}; give weights made for it"
    return (
        f"cannot load {model!r} with weights {weights!r}: {shortened(str(error), 200)}; without internet, download the "
        "checkpoint elsewhere and give --pretrained local-dir:PATH or a weights file"
    )


def absolute(model: str | None, pretrained: str | None) -> tuple[str | None, str | None]:
    """Return model and weights with absolute paths; names and tags stay as they are.

    Examples
    --------
    >>> absolute("ViT-B-32-quickgelu", "openai")
    ('ViT-B-32-quickgelu', 'openai')
    """
    return _absolute(model), _absolute(pretrained)


def without_folders(name: str | None) -> str | None:
    """Return a model's or weights' name as it may be shared: of a path only the last part.

    Examples
    --------
    >>> without_folders("local-dir:/home/ada/models/tiny"), without_folders("ViT-B-32-quickgelu")
    ('local-dir:tiny', 'ViT-B-32-quickgelu')
    """
    if name is None:
        return None
    scheme, _, place = name.partition(":")
    if scheme == "local-dir" or (scheme == "hf" and Path(place).is_absolute()):
        return f"{scheme}:{Path(place).name}"
    tag, file = split_file(name)
    return f"{tag}=" * (tag is not None) + Path(file).name if Path(file).is_absolute() else name


def below_home(name: str | None) -> str | None:
    """Return a model's or weights' name with the user's home folder written as ``~``, as it may be stored.

    Examples
    --------
    >>> below_home(f"local-dir:{Path.home()}/models/tiny"), below_home("openai")
    ('local-dir:~/models/tiny', 'openai')
    """
    return None if name is None else re.sub(rf"(^|[:=]){re.escape(str(Path.home()))}/", r"\1~/", name)


def from_home(name: str | None) -> str | None:
    """Return what :func:`below_home` was given, on a machine that may have another home folder."""
    home = str(Path.home())
    return None if name is None else re.sub("(^|[:=])~/", lambda found: f"{found[1]}{home}/", name)


def _absolute(name: str | None) -> str | None:
    if name is None:
        return None
    scheme, _, place = name.partition(":")
    if scheme == "local-dir" or (scheme == "hf" and Path(place).is_dir()):
        return f"{scheme}:{Path(place).resolve()}"
    tag, file = split_file(name)
    return f"{tag}=" * (tag is not None) + str(Path(file).resolve()) if Path(file).is_file() else name
