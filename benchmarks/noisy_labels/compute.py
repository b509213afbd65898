"""Missing cells are fitted; the others come from the folder of results."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Any

from debias_pt.settings import identity
from debias_pt.utils.progress import progress
from debias_pt.utils.versions import versions

from ..shared.results_store import ResultStore
from .case import NoisyCase
from .cells import APART, Cell, fit_settings
from .fits import drawn_size, measure, shape

# Raise it when a change of code changes a result.
EDITION = 1
USUAL_RULES = {"draw": "nested", "replacement": "distinct"}  # results from before there were others stay good
AT_ONCE = {"cpu": 1, "cuda": 8}  # cells in one fit: memory grows with them, and a CPU gains nothing


def compute(
    case: NoisyCase, cells: Sequence[Cell], store: ResultStore, engine: str | None = None
) -> dict[Cell, dict[str, Any]]:
    """Return the figures of every cell, each with ``stored``: whether they come from the folder.

    With an `engine` (``ray``, ``ray:ADDRESS``) each batch of cells is a task of the cluster.

    All samples are drawn first, so that impossible requests are refused before anything is fitted.
    """
    for cell in cells:
        for seed in case.seeds:
            case.draw(cell, seed)
    keys = {cell: key(case, cell) for cell in cells}
    found = {cell: store.find(wanted) for cell, wanted in keys.items()}
    absent = [cell for cell in cells if found[cell] is None]
    with progress("cells", len(absent), "cells") as advance:
        lots = chunks(case, absent)
        for number, measured in _measured(case, lots, engine):
            for cell, figures in zip(lots[number], measured, strict=True):
                store.keep(keys[cell], figures)
                found[cell] = {**figures, "stored": False}
                advance(1)
    return {cell: {"stored": True, **(figures or {})} for cell, figures in found.items()}


def _measured(
    case: NoisyCase, lots: Sequence[list[Cell]], engine: str | None
) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    if engine is None:
        return enumerate(measure(case, lot) for lot in lots)
    from debias_pt.cluster.tasks import remote_calls

    on_gpu = case.backbone.device.type == "cuda"
    return remote_calls(engine, partial(measure, case), [(lot,) for lot in lots], gpu=on_gpu)


def chunks(case: NoisyCase, cells: Sequence[Cell]) -> list[list[Cell]]:
    """Return batches of cells to fit together: of one shape, and not too many."""
    most = AT_ONCE.get(case.backbone.device.type, 1)
    shapes = {cell: repr(shape(case, cell)) for cell in cells}
    alike = [list(lot) for _, lot in groupby(sorted(cells, key=shapes.__getitem__), key=shapes.__getitem__)]
    return [lot[start : start + most] for lot in alike for start in range(0, len(lot), most)]


def key(case: NoisyCase, cell: Cell) -> dict[str, Any]:
    """Return everything a cell's figures depend on, as plain JSON."""
    settings = case.settings
    fitted = fit_settings(cell, settings, drawn_size(case, cell)) if cell.head not in APART else None
    rules = {name: getattr(settings, name) for name, usual in USUAL_RULES.items() if getattr(settings, name) != usual}
    return {
        "suite": "noisy-labels",
        "edition": EDITION,
        "versions": versions(),
        "cell": cell.describe(),
        "fit": None if fitted is None else identity(dataclasses.asdict(fitted)),
        "shots": settings.shots,
        "views": settings.views,
        "seeds": list(case.seeds),
        "split": settings.split,
        "template": case.table.template,
        "backbone": case.backbone.fingerprint,
        "data": case.table.data_fingerprint(),
        **rules,
    }
