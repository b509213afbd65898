"""Methods compared: one encoding, one budget, one selection rule, several seeds."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.groups.groups import Groups
from debias_pt.groups.metrics import GroupReport
from debias_pt.settings import TrainSettings
from debias_pt.utils.fingerprint import digest
from debias_pt.utils.progress import progress
from debias_pt.utils.versions import versions
from debias_pt.workflows.job import check_settings
from debias_pt.workflows.prepare import prepare
from debias_pt.workflows.report import train_counts

from ..shared.results_store import ResultStore, result_store
from .answers import add_differences, pack
from .case import VAL_ATTRIBUTES, Case, Predict, key
from .minority_recall import minority_report
from .published import published
from .rivals.chosen import Chosen
from .rivals.loop import Loop
from .rows import BASELINE, ORACLES, Row, choose
from .stacked_fits import Timed, fit_missing, timed


def group_robustness(
    settings: TrainSettings, names: Sequence[str] = (), *, fresh: bool = False, engine: str | None = None
) -> dict[str, Any]:
    """Fit every row on the same features and report on the same split.

    Parameters
    ----------
    settings : TrainSettings
        Shared by all rows; ``method``, ``groups`` and ``head`` are the rows'.
    names : sequence of str
        Rows by name; none means all, except those that need missing annotations.
    fresh : bool
        Compute all rows again, ignoring stored results.
    engine : str, optional
        ``"ray"`` or ``"ray:ADDRESS"``: fit on a cluster, one task per stack of rows.

    Returns
    -------
    dict
        Settings, versions, fingerprints, ``probe``, ``rows``, ``distance_to_oracle``, ``left_out`` and ``published``.

    Raises
    ------
    UsageError
        For an unknown row, or a requested one that needs missing annotations.
    """
    rows = choose(names)
    check_settings(settings)
    case = Case(settings, prepare(settings))
    known = case.prepared.true is not None
    if names and not known and any(row.oracle for row in rows):
        case.prepared.require_true(f"the row {next(row.name for row in rows if row.oracle)}")
    possible = [row for row in rows if known or not row.oracle]
    store = result_store(settings.cache_dir, fresh)
    ready = fit_missing([(case, row.fit) for row in possible], store, engine)
    with progress("rows", len(possible), "rows") as advance:
        results = []
        for row in possible:
            results.append(result_of(row, case, store, ready))
            advance(1)
    add_differences(results, BASELINE, reported(case).index)
    return {
        "suite": "group-robustness",
        **frame(case),
        "rows": results,
        "distance_to_oracle": distances(results),
        "stored_rows": sum(row["stored"] for row in results),
        "left_out": [row.name for row in rows if row not in possible],
        "unused_options": unused_options(case, possible),
        "published": published(settings.dataset),
    }


def unused_options(case: Case, rows: Sequence[Row]) -> dict[str, list[str]]:
    """Return the rows that do not use a common option, by option."""
    found: dict[str, list[str]] = {}
    for row in rows if case.given else ():  # else there is nothing to ask the guard for
        fit = row.fit.loop(case) if isinstance(row.fit, Chosen) else row.fit
        for name in case.unused(**fit.options) if isinstance(fit, Loop) else ():
            found.setdefault(name, []).append(row.name)
    return found


def distances(results: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return how much worst-group accuracy a row would gain from true groups, for rows that have such an oracle."""
    worst = {row["row"]: row["worst_group_accuracy"] for row in results}
    pairs = ((name, oracle) for name, oracle in ORACLES.items() if name in worst and oracle in worst)
    return {name: worst[oracle] - worst[name] for name, oracle in pairs}


def frame(case: Case) -> dict[str, Any]:
    """Return what holds for all results of a case."""
    settings, prepared = case.settings, case.prepared
    return {
        "dataset": settings.dataset,
        "synthetic": prepared.synthetic,
        "split": settings.split,
        "selection": settings.select or "last",
        "settings": dataclasses.asdict(settings),
        "versions": versions(),
        "model": prepared.backbone.name,
        "backbone": prepared.backbone.fingerprint,
        "data": prepared.table.data_fingerprint(),
        "probe": prepared.probe_result("train"),
    }


def result_of(row: Row, case: Case, store: ResultStore, ready: Mapping[str, Timed] = {}) -> dict[str, Any]:
    """Return a row's result: from the store, from what was fitted `ready` together with others, or fitted now.

    ``right`` holds which images it is right about, packed.
    """
    wanted = key(case, row.fit)
    figures, stored = store.get(wanted, lambda: figures_of(case, ready.get(digest(wanted)) or timed(case, row.fit)))
    attribute_labels = sorted({*row.attribute_labels, *([VAL_ATTRIBUTES] if case.selects_by_true else [])})
    labels = [*[label for label in row.fit.labels if label not in attribute_labels], *attribute_labels]
    return {
        "row": row.name,
        "name": row.title,
        "labels_used": labels,
        "attribute_labels_used": attribute_labels,
        "oracle": bool(attribute_labels),
        "fitted_on": row.fitted_on,
        **figures,
        "stored": stored,
    }


def figures_of(case: Case, learned: Timed) -> dict[str, Any]:
    """Score what a row learned, with steps kept by the common rule and by the literature's."""
    fitted, seconds = learned.fitted, learned.seconds
    result = {
        "seeds": list(fitted.seeds),
        **scores(case, fitted.predict, fitted.seeds),
        "right": pack(predictions(case, fitted.predict) == reported(case).y),
        "selected_steps": list(fitted.steps),
        "true_selection": None,
        "minority": minority_report(case, fitted.flagged),
        "seconds": {
            "fit": seconds,
            "per_run": seconds / len(fitted.seeds),
            "runs_together": learned.runs_together,
        },
    }
    if fitted.predict_by_true is not None:
        by_true = scores(case, fitted.predict_by_true, fitted.seeds)
        result["true_selection"] = {"oracle": True, **by_true, "selected_steps": list(fitted.steps_by_true)}
    return result


def scores(case: Case, predict: Predict, seeds: Sequence[int]) -> dict[str, Any]:
    """Return the accuracies by group on the reported split."""
    groups = reported(case)
    return GroupReport.of(predictions(case, predict), groups, train_counts(case.prepared), seeds).to_dict()


def reported(case: Case) -> Groups:
    """Return the groups of the reported split."""
    return case.prepared.report_groups.rows(case.split(case.settings.split))


def predictions(case: Case, predict: Predict) -> NDArray[np.int64]:
    """Return the labels ``(R, N)`` that runs give to the images of the reported split."""
    return predict(case.prepared.table.where(case.settings.split).features)
