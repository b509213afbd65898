"""How the run was trained: loss, weights and probabilities by group over the steps, and the step that was kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.pages.blocks import Block, Cell, Charts, Line, LineChart, Number, Paragraph, Section, Table
from debias_pt.reports.evidence import RunEvidence

STYLES = ("accent", "solid", "dashed", "dotted")  # of the lines that are named
FAINT = 40  # other lines that are drawn
LISTED = 100  # groups in a table of a chart
BY_GROUP = {
    "group_weights": "Weight of each group's samples",
    "p_bar": "Mean probability of the right class, by training group, %",
    "val_accuracy": "Validation accuracy, by group, %",
}


def training_section(evidence: RunEvidence) -> Section:
    """Return the training curves."""
    history = evidence.run.history()
    if not history:
        return Section("How it was trained", [Paragraph("The run has no history.")])
    steps = [float(row["step"]) for row in history]
    kept = evidence.result.get("selected_steps") or []
    mark = float(min(kept[0], steps[-1])) if len(set(kept)) == 1 else None
    names = list(evidence.run.facts["group_counts"]["train"])
    by_group = {name: mean_over_seeds(history, name) for name in BY_GROUP if name in history[0]}
    p_bar = by_group["p_bar"][-1]
    charts = [chart("Training loss", steps, mean_over_seeds(history, "loss")[:, None], ["loss"], mark)]
    for field, values in by_group.items():
        if np.isfinite(values).any():
            of = _names(names, values.shape[1], evidence)
            # Validation groups are not split by what was inferred, so that they may be fewer.
            ranked = p_bar if len(p_bar) == len(of) else values[-1]
            order = _order(ranked, of.index(evidence.worst_name) if evidence.worst_name in of else None)
            there = np.flatnonzero(np.isfinite(values).any(axis=1)).tolist()  # minibatch fits validate now and then
            seen, percent = [steps[i] for i in there], field != "group_weights"
            charts.append(chart(BY_GROUP[field], seen, values[there], of, mark, order, percent=percent))
    return Section("How it was trained", [*_said(evidence, kept), Charts(charts)])


def _said(evidence: RunEvidence, kept: Sequence[int]) -> list[Block]:
    result = evidence.result
    seeds = len(result["seeds"])
    over = f" Lines are means over {seeds} seeds." if seeds > 1 else ""
    steps = f": kept was step {', '.join(map(str, dict.fromkeys(kept)))} of {result['steps']}" if kept else ""
    text = f"The step to keep was chosen by the rule {result['selection']!r}{steps}."
    seen = " Validation images were fitted too, so their accuracy is no test." if _fitted_val(evidence) else ""
    return [Paragraph(f"{text} The groups are those it was fitted with.{over}{seen}")]


def _fitted_val(evidence: RunEvidence) -> bool:
    return "val" in str(evidence.run.config.get("fit_on", "train")).split("+")


def mean_over_seeds(history: Sequence[dict[str, Any]], field: str) -> NDArray[np.float64]:
    """Return a field's mean over runs, shape ``(steps,)`` or ``(steps, G)``; NaN where there is none."""
    values = np.array([row[field] for row in history], dtype=np.float64)  # None becomes NaN
    there = np.isfinite(values)
    counts = there.sum(axis=1)
    return np.where(counts > 0, np.where(there, values, 0.0).sum(axis=1) / np.maximum(counts, 1), np.nan)


def _order(p_bar: NDArray[np.float64], first: int | None) -> list[int]:
    """Return the groups in the order in which lines have names: the report's worst one, then the least probable."""
    order = np.argsort(p_bar, kind="stable").tolist()
    return order if first is None else [first, *[g for g in order if g != first]]


def _names(names: Sequence[str], n: int, evidence: RunEvidence) -> list[str]:
    """Return the names of the groups in the history: those of the facts, or these split by what was inferred."""
    if len(names) == n:
        return list(names)
    values = [f"like {name}" for name in evidence.result.get("inferred", {}).get("classes", ())]
    if len(names) * len(values) == n:
        return [f"{name}{'+' if ', ' in name else ', '}{value}" for name in names for value in values]
    return [f"group {g + 1}" for g in range(n)]


def chart(
    title: str,
    steps: Sequence[float],
    values: NDArray[np.float64],
    names: Sequence[str],
    mark: float | None,
    order: Sequence[int] = (),
    *,
    percent: bool = False,
) -> LineChart:
    """Return one chart of values ``(steps, G)``; the first four groups of an order have names."""
    styles = (*STYLES, *["faint"] * FAINT) if order else STYLES[1:2]
    order = order or range(values.shape[1])
    lines = [
        Line(names[g], steps, [None if np.isnan(y) else float(y) for y in values[:, g]], style)
        for g, style in zip(order, styles, strict=False)
    ]
    lines.sort(key=lambda line: ("faint", *STYLES[::-1]).index(line.style))  # the accent is drawn last, on top
    places = sorted({round(i * (len(steps) - 1) / 4) for i in range(5)})
    rows: list[list[Cell]] = [[names[g], *[_number(values[i, g], percent) for i in places]] for g in order]
    left = len(rows) - LISTED
    some = f" ({LISTED} of {len(rows)} groups; history.jsonl in the run's folder has all)" if left > 0 else ""
    table = Table(f"{title}, at some steps{some}", ["line", *[f"step {steps[i]:g}" for i in places]], rows[:LISTED])
    return LineChart(title, "step", lines, table, mark, "kept" if mark is not None else "", percent=percent)


def _number(value: float, percent: bool) -> Number:
    if np.isnan(value):
        return Number("-")
    return Number(f"{100 * value:.1f}" if percent else f"{value:.3g}", float(value))
