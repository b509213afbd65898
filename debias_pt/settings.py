"""Settings: one frozen dataclass per kind of work, light to import, saved whole with every run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import Field, dataclass, field
from importlib import import_module
from typing import Any, TypeVar

from debias_pt.errors import UsageError
from debias_pt.utils.registry import nearest

PROBES = ("zero-shot", "calibrated", "mixture")
ON_BAD_IMAGE = ("error", "skip")
SELECTIONS = ("pseudo-confidence", "pseudo-wga", "last", "average-accuracy", "true-wga")


def option(default: Any, text: str, choices: str | tuple[str, ...] = ()) -> Any:
    """Declare a setting with its default, the help line that the command line shows, and the names it takes.

    Names that a registry knows are given as ``"module:REGISTRY"``, so that they stand in one place.
    """
    return field(default=default, metadata={"help": text, "choices": choices})


def choices(setting: Field[Any]) -> tuple[str, ...]:
    """Return the names that a setting takes, empty for any value; those of a registry are listed, not imported.

    Examples
    --------
    >>> choices(FitSettings.__dataclass_fields__["method"])[:2]
    ('balanced', 'class-balanced')
    """
    known = setting.metadata.get("choices", ())
    if isinstance(known, str):
        module, _, registry = known.partition(":")
        known = getattr(import_module(module), registry)
    return tuple(known)


# Smallest and largest value of every number.
RANGES: dict[str, tuple[float, float]] = {
    "val_share": (0, 1),
    "test_share": (0, 1),
    "split_seed": (0, 10**9),
    "encode_batch_size": (1, 10**9),
    "workers": (0, 10**4),
    "steps": (0, 10**9),
    "shots": (1, 10**9),
    "seed": (0, 10**9),
    "seeds": (1, 10**6),
    "batch_size": (1, 10**9),
    "context_length": (1, 10**4),
    "warmup_steps": (0, 10**9),
    "lr": (1e-300, 1e300),
    "weight_decay": (0, 1e300),
    "momentum": (0, 1),
    "select_after": (0, 1),
    "checkpoint_every": (1, 10**9),
}


class Settings:
    """Base of all settings: refuses numbers out of range, however they were built."""

    def __post_init__(self) -> None:
        for name, (least, most) in RANGES.items():
            value = getattr(self, name, None)
            if value is not None and not least <= value <= most:
                raise UsageError(f"{name} is {value}; {least:g} to {most:g} expected")


@dataclass(frozen=True)
class SourceSettings(Settings):
    """Which images."""

    dataset: str = option("waterbirds", "Data set by name (debias-pt data list), or path of a folder or table.")
    data_root: str = option("data", "Folder that holds the data set's own folder (waterbirds_v1.0).")
    download: bool = option(False, "Fetch the data set if it is not there.")
    check_counts: bool = option(True, "Refuse a data set whose group counts are not the published ones.")
    on_bad_image: str = option(
        "error", "An image that cannot be read: error, or skip and list it in the run.", ON_BAD_IMAGE
    )
    image_column: str | None = option(None, "Own table: column with the images' paths.")
    label_column: str | None = option(None, "Own table: column with the classes.")
    split_column: str | None = option(None, "Own table: column with train, val, test.")
    attribute_column: tuple[str, ...] = option((), "Own table: column with an annotated attribute, for reports only.")
    group_column: str | None = option(None, "Own table: column with annotated groups, for reports only.")
    image_root: str | None = option(None, "Own table: folder that its paths start from; default the table's own.")
    class_name: tuple[str, ...] = option((), "Own data: LABEL=WORDS, where a label is not what a prompt should say.")
    val_share: float = option(0.15, "Own data: share of each class drawn for validation, if none is given.")
    test_share: float = option(0.15, "Own data: share of each class drawn for testing, if none is given.")
    split_seed: int = option(0, "Own data: seed of the splits that are drawn.")
    cache_dir: str | None = option(None, "Cache of features; default $DEBIAS_PT_CACHE or ~/.cache/debias-pt.")
    workers: int | None = option(None, "Processes that read images; default one per core, at most 8.")


@dataclass(frozen=True)
class DataSettings(SourceSettings):
    """What to encode, with what, and what to ask the probe."""

    model: str | None = option(None, "Model by open_clip's name, local-dir:PATH or hf-hub:ORG/REPO.")
    pretrained: str | None = option(None, "Weights: a tag, a file, or local-dir:PATH (then leave --model out).")
    device: str = option("auto", "auto, cpu, cuda or cuda:N.")
    precision: str = option("fp32", "Of image encoding on a GPU.", ("fp32", "bf16", "fp16"))
    draft: bool = option(False, "Decode large JPEG files at a smaller scale: faster, slightly other features.")
    decode: str = option(
        "cpu", "Where JPEG files are decoded: cpu, or device (nvJPEG; slightly other features).", ("cpu", "device")
    )
    encode_batch_size: int | None = option(None, "Images per pass of the image tower; default 16, on a GPU 128.")
    attribute: tuple[str, ...] = option((), "Suspect: a known name, or name=value:value (repeat for several).")
    attribute_template: tuple[str, ...] = option(
        (), "Prompt with {attribute}, perhaps {class}, instead of the default."
    )
    class_conditional: bool = option(False, "Ask the probe within each image's class (training labels are known).")
    probe: str | None = option(None, "How the attribute is told; default the method's, zero-shot for most.", PROBES)


@dataclass(frozen=True)
class FitSettings(Settings):
    """How to tune a prompt, or another head."""

    method: str = option("dpt", "Group reweighting.", "debias_pt.reweighting:REWEIGHTERS")
    eta: float | None = option(None, "Sharpness of dpt (default 2) or step size of group-dro (default 0.1).")
    ema: float | None = option(None, "Momentum of dpt's weights (default 0.9).")
    refresh: str | None = option(None, "When dpt renews p_bar: step (default) or epoch.", ("step", "epoch"))
    normalize: str | None = option(
        None, "dpt's weights: mean (mean 1 over samples, default) or sum (sum 1).", ("mean", "sum")
    )
    alpha: float | None = option(None, "Share of the training samples that cvar looks at (default 0.2).")
    soft: bool = option(False, "Spread samples over groups by the probe's posterior instead of hard labels.")
    loss: str = option("cross-entropy", "Per-sample loss.", "debias_pt.losses:LOSSES")
    q: float | None = option(None, "Exponent of gce (default 0.7).")
    loss_option: tuple[str, ...] = option((), "Option of the loss as NAME=NUMBER, tau=10 (repeat for several).")
    head: str = option("prompt", "What is learned.", "debias_pt.models.heads:HEADS")
    template: str | None = option(
        None, "Words around the class name, with {}, of heads that do not learn them; default 'a photo of a {}.'"
    )
    context_length: int | None = option(None, "Context vectors; default 16, or as many as --context-init has tokens.")
    context_init: str = option("random", "random, or words such as 'a photo of a'.")
    class_specific: bool = option(False, "A context of its own for every class.")
    class_position: str = option("end", "Where the class name stands.", ("end", "middle", "front"))
    steps: int = option(200, "Optimiser steps.")
    batch_size: int | None = option(None, "Samples per step; default all of them.")
    optimizer: str = option("adamw", "Optimiser.", ("adamw", "sgd"))
    lr: float = option(0.004, "Highest learning rate; cosine decay to 0.")
    weight_decay: float = option(0.0, "Weight decay.")
    momentum: float = option(0.9, "Momentum of sgd.")
    warmup_steps: int = option(0, "Steps of linear warm-up.")
    select: str = option("pseudo-confidence", "Which step to keep.", SELECTIONS)
    select_after: float = option(0.1, "Share of the steps that must be over before one can be kept.")
    seed: int = option(0, "First seed.")
    seeds: int = option(1, "Number of seeds, fitted together: seed, seed + 1, ...")


@dataclass(frozen=True)
class TrainSettings(FitSettings, DataSettings):
    """All of ``debias-pt train``."""

    groups: str = option(
        "pseudo", "Attributes to fit with: pseudo, or true (an oracle, says so everywhere).", ("pseudo", "true")
    )
    shots: int | None = option(
        None, "Train on this many images of every class, drawn by --seed; other splits stay whole. Default all."
    )
    split: str = option("test", "Split to report on.")
    checkpoint_every: int = option(50, "Steps between checkpoints.")
    out: str | None = option(None, "Run folder; default runs/DATASET-METHOD-TIME.")


def skips_bad(on_bad_image: str) -> bool:
    """Return whether images that cannot be read are to be left out.

    Raises
    ------
    UsageError
        For anything but the words in `ON_BAD_IMAGE`.
    """
    if on_bad_image not in ON_BAD_IMAGE:
        raise UsageError(f"on_bad_image is {on_bad_image!r}; {' or '.join(ON_BAD_IMAGE)} expected")
    return on_bad_image == "skip"


S = TypeVar("S")


def resolve(kind: type[S], *layers: Mapping[str, Any]) -> S:
    """Build settings from layers, later ones winning: preset, file, command line.

    Raises
    ------
    UsageError
        For a name that is no setting (with the nearest), or a value of another type.

    Examples
    --------
    >>> resolve(FitSettings, {"lr": 0.1}, {"lr": 0.2}).lr
    0.2
    >>> resolve(FitSettings, {"stepz": 1})
    Traceback (most recent call last):
    debias_pt.errors.UsageError: unknown setting 'stepz' (did you mean 'steps'?)
    """
    fields = {item.name: item for item in dataclasses.fields(kind)}  # type: ignore[arg-type]
    merged: dict[str, Any] = {}
    for layer in layers:
        for name, value in layer.items():
            if name not in fields:
                raise UsageError(f"unknown setting {name!r}{nearest(name, fields)}")
            merged[name] = _checked(name, value, str(fields[name].type))
    return kind(**merged)


def _checked(name: str, value: Any, declared: str) -> Any:
    """Return a value of the declared type; JSON has no tuples and writes 2 for 2.0."""
    if value is None and "None" in declared:
        return None
    wanted = declared.split(" |")[0].split("[")[0]
    if wanted == "tuple" and isinstance(value, list | tuple):
        return tuple(str(item) for item in value)
    if wanted == "float" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value).__name__ != wanted:
        raise UsageError(f"setting {name!r} is {value!r}; {declared} expected")
    return value
