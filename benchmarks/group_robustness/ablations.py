"""One thing varied at a time, the rest of DPT unchanged."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from debias_pt.datasets.attributes import CLASS_TEMPLATES, Attribute
from debias_pt.settings import TrainSettings
from debias_pt.utils.registry import lookup, register
from debias_pt.workflows.job import check_settings
from debias_pt.workflows.prepare import prepare
from debias_pt.workflows.prepared import probe_table

from ..shared.results_store import result_store
from .case import Case
from .groupings import KINDS, Flipped, Grouping, Pseudo
from .rivals.loop import Loop
from .rows import Row
from .stacked_fits import fit_missing
from .suite import frame, result_of

Reword = Callable[[Attribute], Attribute]
SHARES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)


@dataclass(frozen=True)
class AblationPoint:
    """One fit of an ablation.

    Parameters
    ----------
    value : str
        Value of what is varied.
    options : mapping
        Settings over the common ones.
    groups : Grouping
        What it is fitted with.
    reword : callable, optional
        Changes the wording of the probe.
    series : str
        The line it belongs to.
    """

    value: str
    options: Mapping[str, Any] = field(default_factory=dict)
    groups: Grouping = field(default_factory=Pseudo)
    reword: Reword | None = None
    series: str = "dpt"


@dataclass(frozen=True)
class Ablation:
    """What is varied, and its points; `ordered` values are joined by a line."""

    varied: str
    points: Sequence[AblationPoint]
    ordered: bool = False


def first_phrase(attribute: Attribute) -> Attribute:
    """Keep the first phrase of every value."""
    return dataclasses.replace(attribute, values={name: words[:1] for name, words in attribute.values.items()})


def names_only(attribute: Attribute) -> Attribute:
    """Ask by the values' names, whatever phrases describe them."""
    return dataclasses.replace(attribute, values={name: (name,) for name in attribute.values})


def single_template(attribute: Attribute) -> Attribute:
    """Keep the first template."""
    return dataclasses.replace(attribute, templates=tuple(attribute.templates)[:1])


def class_templates(attribute: Attribute) -> Attribute:
    """Ask within each image's class."""
    return dataclasses.replace(attribute, templates=CLASS_TEMPLATES)


def _settings(name: str, *values: Any, **more: Any) -> list[AblationPoint]:
    return [AblationPoint(f"{value}", {name: value, **more}) for value in values]


ABLATIONS: dict[str, Ablation] = {}


def _add(name: str, varied: str, points: Sequence[AblationPoint], *, ordered: bool = False) -> None:
    register(ABLATIONS, name)(Ablation(varied, points, ordered))


_add("eta", "eta", _settings("eta", 0.0, 0.5, 1.0, 2.0, 4.0, 8.0), ordered=True)
_add("ema", "momentum of the group weights", _settings("ema", 0.0, 0.5, 0.9, 0.99), ordered=True)
# With full-batch steps an epoch is a step; batches of 256 make them differ.
_add("refresh", "when p_bar is updated (batches of 256)", _settings("refresh", "step", "epoch", batch_size=256))
_add("normalize", "what the group weights sum to", _settings("normalize", "mean", "sum"))
_add("soft", "pseudo attributes", [AblationPoint("hard"), AblationPoint("soft", {"soft": True})])
_add(
    "wording",
    "words for each value",
    [
        AblationPoint("name only", reword=names_only),
        AblationPoint("first phrase", reword=first_phrase),
        AblationPoint("all phrases"),
    ],
)
_add(
    "prompts",
    "prompts of the probe",
    [
        AblationPoint("single template", reword=single_template),
        AblationPoint("all templates"),
        AblationPoint("class-conditional", reword=class_templates),
    ],
)
_add("context-length", "context vectors", _settings("context_length", 1, 4, 8, 16, 32), ordered=True)
_add(
    "probe-noise",
    "share of true attributes flipped, % (oracle)",
    [AblationPoint(f"{100 * share:g}", groups=Flipped(kind, share), series=kind) for kind in KINDS for share in SHARES],
    ordered=True,
)


def ablation(settings: TrainSettings, name: str, *, fresh: bool = False) -> dict[str, Any]:
    """Fit DPT once for every value of what is varied.

    Parameters
    ----------
    settings : TrainSettings
        Shared by all points.
    name : str
        In :data:`ABLATIONS`.
    fresh : bool
        Compute everything again, ignoring stored results.

    Returns
    -------
    dict
        As for the suite, with ``ablation``, ``varied`` and ``points``: the fields of a row, with ``value``,
        ``series`` and the quality of the attributes fitted with, ``attribute_accuracy``.

    Raises
    ------
    UsageError
        For an unknown ablation, or one that needs missing annotations.
    """
    chosen = lookup(ABLATIONS, name, "ablation")
    check_settings(settings)
    case = Case(settings, prepare(settings))
    store = result_store(settings.cache_dir, fresh)
    cases = [reworded(case, point.reword) for point in chosen.points]
    rows = [
        Row("dpt", f"{chosen.varied}: {point.value}", Loop({"method": "dpt", **point.options}, point.groups))
        for point in chosen.points
    ]
    ready = fit_missing([(own, row.fit) for own, row in zip(cases, rows, strict=True)], store)
    points = []
    for point, own, row in zip(chosen.points, cases, rows, strict=True):
        quality = {"attribute_accuracy": attribute_accuracy(own, point.groups)}
        figures = result_of(row, own, store, ready)
        del figures["right"]
        points.append({"value": point.value, "series": point.series, **quality, **figures})
    return {
        "suite": "group-robustness",
        "ablation": name,
        "varied": chosen.varied,
        "ordered": chosen.ordered,
        **frame(case),
        "points": points,
        "stored_points": sum(point["stored"] for point in points),
    }


def reworded(case: Case, reword: Reword | None) -> Case:
    """Return the case with the probe asked in other words."""
    if reword is None:
        return case
    prepared = case.prepared
    attributes = tuple(reword(attribute) for attribute in prepared.attributes)
    return dataclasses.replace(
        case, prepared=probe_table(prepared.backbone, prepared.table, prepared.stats, attributes)
    )


def attribute_accuracy(case: Case, groups: Grouping) -> float | None:
    """Return the share of training samples whose attribute is right, where that is known."""
    true, train = case.prepared.true, case.split("train")
    if true is None:
        return None
    return float((groups(case).attribute[train] == true.attribute[train]).mean())
