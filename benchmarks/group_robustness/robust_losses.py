"""Noise and groups: robust losses with group weights, and the probe's answers as label noise.

A robust loss damps samples of low probability, group weights boost groups of low probability. Alone, the first should
hurt the worst group; :func:`losses_and_groups` measures whether it does and whether the two together fix it.
:func:`probe_as_noise` asks which property of the probe's errors costs worst-group accuracy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from debias_pt.groups.metrics import GroupReport
from debias_pt.settings import TrainSettings
from debias_pt.utils.fingerprint import digest
from debias_pt.workflows.job import check_settings
from debias_pt.workflows.prepare import prepare

from ..shared.results_store import ResultStore, result_store
from ..shared.tables import Table
from .ablations import attribute_accuracy
from .case import Case, Fitted, key
from .groupings import Annotated, Grouping, Probed, Pseudo
from .probe_errors import SHAPES, Confused, confusion_matrix
from .rivals.loop import Loop
from .row_tables import cell
from .stacked_fits import fit_stack, stacks
from .suite import frame, scores

QS = (0.3, 0.5, 0.7, 1.0)


@dataclass(frozen=True)
class Cell:
    """One fit of a table.

    Parameters
    ----------
    method : str
        A group reweighting.
    source : str
        Where its groups come from, in words.
    groups : Grouping
        The groups for fitting, and for its validation score.
    q : float or None
        Exponent of generalised cross-entropy; None is cross-entropy.
    """

    method: str
    source: str
    groups: Grouping
    q: float | None = None

    @property
    def loss(self) -> str:
        """The loss in words."""
        return "cross-entropy" if self.q is None else f"gce, q {self.q:g}"

    @property
    def loop(self) -> Loop:
        """The fit."""
        robust = {} if self.q is None else {"loss": "gce", "q": self.q}
        return Loop({"method": self.method, **robust}, self.groups)


def crossed(qs: Sequence[float] = QS, *, annotated: bool = True) -> list[Cell]:
    """Return methods x losses; oracles only where attributes are annotated.

    ``dpt-mixture`` with true groups is ``dpt`` with true groups, and ERM trains without groups.
    """
    sources: list[tuple[str, str, Grouping]] = [
        ("erm", "none", Pseudo()),
        ("dpt", "zero-shot probe", Pseudo()),
        ("dpt-mixture", "refined probe", Probed("mixture")),
    ]
    sources += [("dpt", "true (oracle)", Annotated())] if annotated else []
    return [Cell(*source, q) for source in sources for q in (None, *qs)]


def noise_shapes() -> list[Cell]:
    """Return ``dpt`` with the probe's groups, with true ones, and with true ones made as wrong as the probe's."""
    words = {
        "rate": "true, uniform flips at the probe's rate (oracle)",
        "attribute": "true, flips by the probe's confusion matrix (oracle)",
        "group": "true, flips by the probe's confusion matrix of each class (oracle)",
    }
    return [
        Cell("dpt", "zero-shot probe: its own errors", Pseudo()),
        *(Cell("dpt", words[shape], Confused(shape)) for shape in reversed(SHAPES)),
        Cell("dpt", "true (oracle)", Annotated()),
    ]


def losses_and_groups(settings: TrainSettings, qs: Sequence[float] = QS, *, fresh: bool = False) -> dict[str, Any]:
    """Fit ERM and DPT with cross-entropy and generalised cross-entropy, on pseudo groups and true ones.

    Parameters
    ----------
    settings : TrainSettings
        Data, model, budget, seeds; method, loss and groups are the cells'.
    qs : sequence of float
        Exponents of generalised cross-entropy.
    fresh : bool
        Compute everything again, ignoring stored results.

    Returns
    -------
    dict
        What holds for all, ``cells`` with accuracies on the reported split and ``validation_worst_group`` by the
        cell's own groups on validation, and ``chosen``: for each method and source the loss that scores best there,
        without a label of an attribute but for the oracle.

    Raises
    ------
    UsageError
        For settings that cannot work, or data without suspected attributes.
    """
    case = _case(settings)
    cells = crossed(qs, annotated=case.prepared.true is not None)
    result = _table("losses and groups", case, cells, settings, fresh)
    best: dict[str, dict[str, Any]] = {}
    for one in result["cells"]:
        best_so_far = best.setdefault(f"{one['method']}, {one['groups_from_words']}", one)
        if one["validation_worst_group"] > best_so_far["validation_worst_group"]:
            best[f"{one['method']}, {one['groups_from_words']}"] = one
    return {**result, "chosen": {name: one["loss"] for name, one in best.items()}}


def probe_as_noise(settings: TrainSettings, *, fresh: bool = False) -> dict[str, Any]:
    """Fit DPT with the probe's attributes, true ones, and true ones with errors of the probe's rate and shape.

    Everything but the first row is an oracle. Parameters and result are as of :func:`losses_and_groups`, with
    ``confusion``, the probe's attribute by true group on the training images, in place of ``chosen``.

    Raises
    ------
    UsageError
        If the attributes are not annotated.
    """
    case = _case(settings)
    true = case.prepared.require_true("the probe as noise")
    result = _table("probe as noise", case, noise_shapes(), settings, fresh)
    confusion = confusion_matrix(case, case.prepared.pseudo).tolist()
    return {
        **result,
        "attributes": true.attribute_names,
        "confusion": dict(zip(true.names, confusion, strict=True)),
    }


def table(result: dict[str, Any]) -> Table:
    """Return a result as header and lines, accuracies in per cent."""
    header = ["method", "groups from", "loss", "attributes right", "worst group", "average", "validation, own groups"]
    lines = []
    for one in result["cells"]:
        right = "-" if one["attribute_accuracy"] is None else f"{100 * one['attribute_accuracy']:.1f}"
        start = [one["method"], one["groups_from_words"], one["loss"], right]
        figures = [cell(one, name) for name in ("worst_group_accuracy", "average_accuracy")]
        lines.append([*start, *figures, f"{100 * one['validation_worst_group']:.1f}"])
    return header, lines


def _case(settings: TrainSettings) -> Case:
    check_settings(settings)
    return Case(settings, prepare(settings))


def _table(title: str, case: Case, cells: Sequence[Cell], settings: TrainSettings, fresh: bool) -> dict[str, Any]:
    store = result_store(settings.cache_dir, fresh)
    wanted = [{**key(case, one.loop), "measured": "with validation by own groups"} for one in cells]
    fitted = _fit_missing(case, cells, wanted, store)
    results = [_measured(case, one, of_one, store, fitted) for one, of_one in zip(cells, wanted, strict=True)]
    return {"suite": "noisy-labels", "experiment": title, **frame(case), "cells": results}


def _fit_missing(
    case: Case, cells: Sequence[Cell], wanted: Sequence[dict[str, Any]], store: ResultStore
) -> dict[str, Fitted]:
    """Fit everything that the store does not hold, as many runs at once as possible, by the digest of their key."""
    pairs = zip(cells, wanted, strict=True)
    missing = {digest(of_one): (case, one.loop) for one, of_one in pairs if not store.holds(of_one)}
    found: dict[str, Fitted] = {}
    for names in stacks(missing):
        learned = fit_stack([missing[name] for name in names])
        found |= {name: one.fitted for name, one in zip(names, learned, strict=True)}
    return found


def _measured(
    case: Case, one: Cell, wanted: dict[str, Any], store: ResultStore, fitted: dict[str, Fitted]
) -> dict[str, Any]:
    figures, stored = store.get(wanted, lambda: figures_of(case, one, fitted[digest(wanted)]))
    labels = list(one.groups.labels)
    return {
        "method": one.method,
        "groups_from_words": one.source,
        "loss": one.loss,
        "q": one.q,
        "attribute_labels_used": labels,
        "oracle": bool(labels),
        **figures,
        "stored": stored,
    }


def figures_of(case: Case, one: Cell, fitted: Fitted) -> dict[str, Any]:
    """Score what a cell learned: on the reported split by true groups, on validation by its own."""
    own, rows = one.groups(case), case.split("val")
    predictions = fitted.predict(case.prepared.table.where("val").features)
    counts = own.rows(case.split("train")).counts
    validation = GroupReport.of(predictions, own.rows(rows), counts, fitted.seeds)
    return {
        **scores(case, fitted.predict, fitted.seeds),
        "selected_steps": list(fitted.steps),
        "validation_worst_group": float(validation.worst_group_accuracy.mean()),
        "attribute_accuracy": None if one.method == "erm" else attribute_accuracy(case, one.groups),
    }
