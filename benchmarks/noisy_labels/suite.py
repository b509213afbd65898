"""The noisy-label suite: experiments on cached features, cell by cell."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from debias_pt.groups.intervals import student_interval
from debias_pt.utils.registry import lookup
from debias_pt.utils.versions import versions

from ..shared.results_store import result_store
from .case import NoisyCase
from .cells import Cell, Plan, fit_settings
from .claims import findings
from .compute import compute
from .experiments import EXPERIMENTS, Experiment, Point
from .group_experiment import GROUPS, with_groups
from .published import published
from .settings import NoisySettings, rates_of

NAMES = {**{name: one.title for name, one in EXPERIMENTS.items()}, GROUPS: "Noise and groups"}
QUICK_EXPERIMENTS = ("curves", "kinds", "unsupervised")


def noisy_labels(
    settings: NoisySettings,
    names: Sequence[str] = (),
    *,
    quick: bool = False,
    fresh: bool = False,
    engine: str | None = None,
) -> dict[str, Any]:
    """Run experiments on one data set with one model.

    Parameters
    ----------
    settings : NoisySettings
    names : sequence of str
        Experiments by name; none means all that the data allow.
    quick : bool
        Without names, only some of them.
    fresh : bool
        Compute everything again, ignoring stored results.
    engine : str, optional
        ``"ray"`` or ``"ray:ADDRESS"``: fit on a cluster, one task per batch of cells.

    Returns
    -------
    dict
        Settings, versions, fingerprints, ``experiments`` with their points and findings, ``findings`` of all,
        ``samples`` (every image drawn, with the label it was given), ``left_out`` with reasons, ``published``.

    Raises
    ------
    UsageError
        For an unknown experiment (with the nearest name), or one that the data do not allow.
    """
    chosen = choose(names, quick)
    case, plan = NoisyCase.load(settings), Plan(rates_of(settings.rates))
    left_out = {} if names else {name: "not part of --quick" for name in NAMES if name not in chosen}
    if GROUPS in chosen and not names and not case.has_suspects:
        left_out[GROUPS] = f"{settings.dataset} has no suspected attribute; name one with --attribute"
    points, impossible = possible([name for name in chosen if name != GROUPS], plan)
    left_out |= impossible
    cells = list(dict.fromkeys(point.cell for own in points.values() for point in own))
    figures = compute(case, cells, result_store(settings.cache_dir, fresh), engine)
    experiments = [report(EXPERIMENTS[name], plan, own, figures, case.seeds) for name, own in points.items()]
    if GROUPS in chosen and GROUPS not in left_out:
        experiments += with_groups(settings, quick=quick, fresh=fresh)
    taken = [one["stored"] for one in figures.values()]
    taken += [point["stored"] for one in experiments if "confusion" in one for point in one["points"]]
    return {
        "suite": "noisy-labels",
        **frame(case, quick),
        "experiments": experiments,
        "findings": [found for one in experiments for found in one["findings"]],
        "left_out": left_out,
        "computed": len(taken) - sum(taken),
        "stored": sum(taken),
        "published": published(settings.dataset),
        "samples": case.samples(),
    }


def possible(names: Sequence[str], plan: Plan) -> tuple[dict[str, list[Point]], dict[str, str]]:
    """Return the points of possible experiments, and the impossible ones with the reason."""
    points = {name: EXPERIMENTS[name].points(plan) for name in names}
    left_out = {name: "it needs a noise rate above 0" for name, own in points.items() if not own}
    if find_spec("cleanlab") is None and any(point.cell.filtered for own in points.values() for point in own):
        left_out["cleanlab filter"] = "cleanlab is not installed; pip install 'debias-pt[noise]'"
        points = {name: [point for point in own if not point.cell.filtered] for name, own in points.items()}
    return {name: own for name, own in points.items() if own}, left_out


def choose(names: Sequence[str], quick: bool = False) -> list[str]:
    """Return known experiments by name: the requested ones, those of ``--quick``, or all.

    Raises
    ------
    UnknownNameError
        For an experiment that does not exist, with the nearest.

    Examples
    --------
    >>> choose(["curvs"])
    Traceback (most recent call last):
    debias_pt.errors.UnknownNameError: unknown experiment 'curvs' (did you mean 'curves'?); known: curves, ...
    """
    for name in names:
        lookup(NAMES, name, "experiment")
    return list(dict.fromkeys(names)) if names else list(QUICK_EXPERIMENTS if quick else NAMES)


def frame(case: NoisyCase, quick: bool) -> dict[str, Any]:
    """Return what holds for all results of a case."""
    fitted = fit_settings(Cell("prompt"), case.settings, case.settings.shots * len(case.table.class_names))
    return {
        "dataset": case.settings.dataset,
        "synthetic": case.dataset.synthetic,
        "classes": len(case.table.class_names),
        "split": case.settings.split,
        "selection": "last",
        "quick": quick,
        "settings": dataclasses.asdict(case.settings),
        "seeds": list(case.seeds),
        "fit": dataclasses.asdict(fitted),
        "versions": versions(),
        "model": case.backbone.name,
        "backbone": case.backbone.fingerprint,
        "data": case.table.data_fingerprint(),
    }


def report(
    one: Experiment, plan: Plan, points: Sequence[Point], figures: Mapping[Cell, dict[str, Any]], seeds: Sequence[int]
) -> dict[str, Any]:
    """Return an experiment's points with their figures, and the findings on its claims."""
    reported = [
        {"series": point.series, "x": point.x, "cell": point.cell.describe(), **summary(one, figures[point.cell])}
        for point in points
    ]
    return {
        "experiment": one.name,
        "title": one.title,
        "about": one.about,
        "x": one.x,
        "measure": one.measure,
        "seeds": list(seeds),
        "points": reported,
        "findings": findings(one.name, one.claims(plan), reported),
    }


def summary(one: Experiment, figures: dict[str, Any]) -> dict[str, Any]:
    """Return the experiment's measure of a cell: mean, interval over seeds and each seed's; and the other figures."""
    per_seed = figures["per_seed"]
    if one.measure == "noisy share":
        shares = [row["class_weights"] for row in figures["trace"]]
        per_seed = [sum(of_seed) / len(of_seed) for of_seed in zip(*shares, strict=True)]
    mean = sum(per_seed) / len(per_seed)
    interval = list(student_interval(np.array(per_seed))) if len(per_seed) > 1 else None
    return {**figures, "mean": mean, "interval": interval, "per_seed": per_seed}
