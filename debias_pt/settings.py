"""Settings: one frozen dataclass per kind of work, light to import, saved whole with every run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import Field, dataclass, field
from importlib import import_module
from typing import Any, TypeVar

from debias_pt.errors import UsageError
from debias_pt.utils.registry import nearest
from debias_pt.utils.typed import kinds

SPLITS = ("train", "val", "test")
ZERO_SHOT = "zero-shot"
PROBES = (ZERO_SHOT, "calibrated", "mixture", "anchored")
FIT_ON = ("train", "train+val")
# The settings that a method decides where they are not given (None); see `debias_pt.methods`.
PARTS = ("probe", "infer_groups", "soft", "head", "fit_on", "select")
ON_BAD_IMAGE = ("error", "skip")
RATE = 0.004  # peak learning rate, where none is given
SELECTIONS = ("pseudo-confidence", "pseudo-wga", "last", "average-accuracy", "true-wga")
# The settings that are options of single methods, and of single losses: what is not given is the class's default.
# Others need no setting: --method-option and --loss-option give them by name.
METHOD_OPTIONS = ("eta", "ema", "refresh", "normalize", "alpha")
LOSS_OPTIONS = ("q",)


# The headings that the command line's help puts settings under, in its order.
SUITE = "Suite"
DATA = "Data"
MODEL = "Model"
PROBE = "Probe"
METHOD = "Method"
HEAD = "Head and loss"
OPTIMISER = "Optimiser"
SELECTION = "Selection"
RUN = "Run and output"
OWN = "Rarely used: your own images or features"
SINGLE = "Rarely used: options of one method, loss or head"
READING = "Rarely used: reading and encoding images"
FINE = "Rarely used: probe and training"
SECTIONS = (SUITE, DATA, MODEL, PROBE, METHOD, HEAD, OPTIMISER, SELECTION, RUN, OWN, SINGLE, READING, FINE)


def option(section: str, default: Any, text: str, choices: str | tuple[str, ...] = ()) -> Any:
    """Declare a setting.

    Parameters
    ----------
    section : str
        The heading that help shows it under, of `SECTIONS`.
    default : object
        Its default.
    text : str
        The help line that the command line shows.
    choices : tuple of str, or str
        The names it takes; those that a registry knows as ``"module:REGISTRY"``, so that they are in one place.
    """
    return field(default=default, metadata={"help": text, "choices": choices, "section": section})


def choices(setting: Field[Any]) -> tuple[str, ...]:
    """Return the names that a setting takes, empty for any value; those of a registry are listed, not imported.

    Examples
    --------
    >>> choices(FitSettings.__dataclass_fields__["method"])[:2]
    ('anchored', 'auto')
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
    "prompts_per_class": (2, 1000),
    "warmup_steps": (0, 10**9),
    "lr": (1e-300, 1e300),
    "weight_decay": (0, 1e300),
    "momentum": (0, 1),
    "select_after": (0, 1),
    "checkpoint_every": (1, 10**9),
}


class Settings:
    """Base of all settings: refuses numbers out of range and words it does not know, however they were built."""

    def __post_init__(self) -> None:
        for name, (least, most) in RANGES.items():
            value = getattr(self, name, None)
            if value is not None and not least <= value <= most:
                raise UsageError(f"{name} is {value}; {least:g} to {most:g} expected")
        for item in dataclasses.fields(self):  # type: ignore[arg-type]
            known, value = item.metadata.get("choices"), getattr(self, item.name)
            if isinstance(known, tuple) and known and value is not None:  # a registry is asked where it is used
                require_choice(item.name, value, known)


@dataclass(frozen=True)
class SourceSettings(Settings):
    """Which images."""

    dataset: str = option(
        DATA,
        "waterbirds",
        "Data set by name (debias-pt data list), or path of a folder, a table, tar shards or a file of features.",
    )
    data_root: str = option(
        DATA, "data", "Folder that holds the data set's own folder (waterbirds_v1.0); may be s3://..."
    )
    download: bool = option(DATA, False, "Download the data set if it is missing.")
    check_counts: bool = option(READING, True, "Refuse a data set whose group counts differ from the published ones.")
    on_bad_image: str = option(
        READING, "error", "What to do with an image that cannot be read; skip lists it in the run.", ON_BAD_IMAGE
    )
    image_column: str | None = option(OWN, None, "Table: column with the images' paths.")
    label_column: str | None = option(OWN, None, "Table: column with the classes.")
    split_column: str | None = option(OWN, None, "Table: column with train, val, test.")
    attribute_column: tuple[str, ...] = option(OWN, (), "Table: column with an annotated attribute, for reports only.")
    group_column: str | None = option(OWN, None, "Table: column with annotated groups, for reports only.")
    image_root: str | None = option(OWN, None, "Table: folder that its paths start from; default the table's own.")
    class_name: tuple[str, ...] = option(OWN, (), "LABEL=WORDS, where a label is not what a prompt should say.")
    val_share: float = option(OWN, 0.15, "Share of each class drawn for validation, if none is given.")
    test_share: float = option(OWN, 0.15, "Share of each class drawn for testing, if none is given.")
    split_seed: int = option(OWN, 0, "Seed of the splits that are drawn.")
    cache_dir: str | None = option(READING, None, "Cache of features; default $DEBIAS_PT_CACHE or ~/.cache/debias-pt.")
    workers: int | None = option(READING, None, "Processes that read images; default one per core, at most 8.")


@dataclass(frozen=True)
class DataSettings(SourceSettings):
    """What to encode, with what, and what to ask the probe."""

    model: str | None = option(
        MODEL, None, "Model by open_clip's name, local-dir:PATH, hf-hub:ORG/REPO or hf:PATH_OR_NAME."
    )
    pretrained: str | None = option(
        MODEL, None, "Weights: a tag, a file, TAG=FILE, or local-dir:PATH (then leave --model out)."
    )
    device: str = option(MODEL, "auto", "Where to compute: auto, cpu, cuda or cuda:N.")
    precision: str = option(READING, "fp32", "Precision of image encoding on a GPU.", ("fp32", "bf16", "fp16"))
    draft: bool = option(
        READING, False, "Decode large JPEG files at a smaller scale: faster, features differ slightly."
    )
    decode: str = option(
        READING,
        "cpu",
        "Where JPEG files are decoded; device is nvJPEG, with slightly other features.",
        ("cpu", "device"),
    )
    encode_batch_size: int | None = option(
        READING, None, "Images per pass of the image tower; default 16, on a GPU 128."
    )
    attribute: tuple[str, ...] = option(
        PROBE, (), "Suspected attribute: known name, name=value:value (repeatable), or auto to find one."
    )
    attribute_template: tuple[str, ...] = option(
        FINE, (), "Probe prompt with {attribute}, optionally {class}, instead of the default."
    )
    class_conditional: bool = option(
        FINE, False, "Ask the probe within each image's class (training labels are known)."
    )
    words: str | None = option(
        PROBE, None, "Features without a model: file with text features (words, features) to look attributes up in."
    )
    probe: str | None = option(
        PROBE, None, "How the model is asked for the attribute; default the method's, zero-shot for most.", PROBES
    )


@dataclass(frozen=True)
class FitSettings(Settings):
    """How to tune a prompt, or another head."""

    method: str = option(
        METHOD,
        "dpt",
        "Where groups come from and how they are weighted; auto asks the guard.",
        "debias_pt.methods:METHODS",
    )
    eta: float | None = option(SINGLE, None, "Sharpness of dpt (default 2) or step size of group-dro (default 0.1).")
    ema: float | None = option(SINGLE, None, "Momentum of dpt's weights (default 0.9).")
    refresh: str | None = option(SINGLE, None, "When dpt renews p_bar; default step.", ("step", "epoch"))
    normalize: str | None = option(
        SINGLE, None, "Whether dpt's weights have mean 1 over samples (default) or sum 1 over groups.", ("mean", "sum")
    )
    alpha: float | None = option(SINGLE, None, "Share of the training samples that cvar looks at (default 0.2).")
    method_option: tuple[str, ...] = option(
        SINGLE, (), "Option of any method as NAME=VALUE, eta=3 (repeat for several)."
    )
    soft: bool | None = option(
        METHOD, None, "Spread samples over groups by their probability instead of hard labels; default the method's."
    )
    infer_groups: bool | None = option(
        METHOD, None, "Split groups by the class that images look like to a biased head; default the method's."
    )
    loss: str = option(HEAD, "cross-entropy", "Per-sample loss.", "debias_pt.losses:LOSSES")
    q: float | None = option(SINGLE, None, "Exponent of gce (default 0.7).")
    loss_option: tuple[str, ...] = option(
        SINGLE, (), "Option of any loss as NAME=VALUE, tau=10 or A=ptnl (repeat for several)."
    )
    head: str | None = option(
        HEAD, None, "What is learned; default the method's, prompt for most.", "debias_pt.models.heads:HEADS"
    )
    template: str | None = option(
        SINGLE,
        None,
        "Words around the class name, with {}, for heads that do not learn them; default 'a photo of a {}.'",
    )
    context_length: int | None = option(
        SINGLE, None, "Context vectors; default 16, or as many as --context-init has tokens."
    )
    context_init: str = option(
        SINGLE, "random", "What the context starts from: random, or words such as 'a photo of a'."
    )
    class_specific: bool = option(SINGLE, False, "A separate context for every class.")
    class_position: str = option(SINGLE, "end", "Position of the class name.", ("end", "middle", "front"))
    prompts_per_class: int = option(SINGLE, 2, "Prompts of every class, for the head group-prompt.")
    steps: int = option(OPTIMISER, 200, "Optimiser steps; of lbfgs, at most so many.")
    batch_size: int | None = option(OPTIMISER, None, "Samples per step; default all of them.")
    optimizer: str | None = option(
        OPTIMISER,
        None,
        "Optimiser; default lbfgs, to the optimum, where there is one (head standardized), else adamw.",
        ("adamw", "sgd", "lbfgs"),
    )
    lr: float | None = option(OPTIMISER, None, "Peak learning rate; cosine decay to 0. Default 0.004.")
    weight_decay: float = option(FINE, 0.0, "Weight decay.")
    momentum: float = option(FINE, 0.9, "Momentum of sgd.")
    warmup_steps: int = option(FINE, 0, "Steps of linear warm-up.")
    select: str | None = option(SELECTION, None, "Which step to keep; default the method's, last.", SELECTIONS)
    select_after: float = option(FINE, 0.1, "Share of the steps to make before one can be kept.")
    fit_on: str | None = option(METHOD, None, "Rows to fit on; default the method's, train for most.", FIT_ON)
    seed: int = option(RUN, 0, "First seed.")
    seeds: int = option(RUN, 1, "Number of seeds, fitted together: seed, seed + 1, ...")

    @property
    def rate(self) -> float:
        """The peak learning rate."""
        return RATE if self.lr is None else self.lr


@dataclass(frozen=True)
class TrainSettings(FitSettings, DataSettings):
    """All of ``debias-pt train``."""

    groups: str = option(
        METHOD, "pseudo", "Attributes to fit with; true is an oracle, and says so everywhere.", ("pseudo", "true")
    )
    shots: int | None = option(
        DATA, None, "Train on this many images of every class, drawn by --seed; other splits stay whole. Default all."
    )
    split: str = option(RUN, "test", "Split to report on.", SPLITS)
    checkpoint_every: int = option(FINE, 50, "Steps between checkpoints.")
    out: str | None = option(RUN, None, "Run folder; default runs/DATASET-METHOD-TIME.")


def skips_bad(on_bad_image: str) -> bool:
    """Return whether images that cannot be read are to be left out.

    Raises
    ------
    UsageError
        For anything but the words in `ON_BAD_IMAGE`.
    """
    return require_choice("on_bad_image", on_bad_image, ON_BAD_IMAGE) == "skip"


def require_choice(name: str, value: str, known: tuple[str, ...]) -> str:
    """Return a setting's value if it is one of the known ones.

    Raises
    ------
    UsageError
        If it is not; names the nearest.

    Examples
    --------
    >>> require_choice("split", "tets", SPLITS)
    Traceback (most recent call last):
    debias_pt.errors.UsageError: split is 'tets' (did you mean 'test'?); train, val or test expected
    """
    if value not in known:
        listed = " or ".join(filter(None, (", ".join(known[:-1]), known[-1])))
        raise UsageError(f"{name} is {value!r}{nearest(value, known)}; {listed} expected")
    return value


S = TypeVar("S")


def resolve(kind: type[S], *layers: Mapping[str, Any]) -> S:
    """Build settings from layers, later ones winning: preset, file, command line.

    Raises
    ------
    UsageError
        For an unknown setting (with the nearest name), or a value of another type.

    Examples
    --------
    >>> resolve(FitSettings, {"lr": 0.1}, {"lr": 0.2}).lr
    0.2
    >>> resolve(FitSettings, {"stepz": 1})
    Traceback (most recent call last):
    debias_pt.errors.UsageError: unknown setting 'stepz' (did you mean 'steps'?)
    """
    known = kinds(kind)
    merged: dict[str, Any] = {}
    for layer in layers:
        for name, value in _one_dialect(layer).items():
            if name not in known:
                raise UsageError(f"unknown setting {name!r}{nearest(name, known)}")
            merged[name] = known[name].take(name, value)
    return kind(**merged)


def _one_dialect(layer: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with ``method_options={"eta": 3}`` written as the command line's ``method_option``."""
    plain = dict(layer)
    for mapping, words in (("method_options", "method_option"), ("loss_options", "loss_option")):
        options = plain.pop(mapping, None)
        if options is None:
            continue
        if not isinstance(options, Mapping):
            raise UsageError(f"{mapping} is {options!r}; give a dict, {{'eta': 3}}")
        plain[words] = (*plain.get(words, ()), *(f"{name}={value}" for name, value in options.items()))
    return plain


# Settings added after people made runs and stored results, and their values when they are not used.
ADDED_LATER: dict[str, tuple[Any, ...]] = {
    "method_option": ((), []),
    "fit_on": ("train", None),
    "infer_groups": (False, None),
    "shots": (None,),
    "lr": (None, RATE),
    "optimizer": (None,),
    "words": (None,),
    "prompts_per_class": (2,),
}


def identity(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that identify a run or a stored result: without those added later and not used.

    Examples
    --------
    >>> identity({"steps": 5, "method_option": ()})
    {'steps': 5}
    """
    return {name: value for name, value in settings.items() if value not in ADDED_LATER.get(name, ())}
