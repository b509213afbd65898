"""Several runs beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from debias_pt.pages.blocks import Bar, BarChart, Cell, Paragraph, Section, Table, interval, per_cent
from debias_pt.reports.differences import difference
from debias_pt.reports.evidence import RunEvidence


def run_names(evidence: Sequence[RunEvidence]) -> list[str]:
    """Return a name for each run: its method, with its folder where two have the same."""
    methods = [one.result["method"] for one in evidence]
    return [
        method if methods.count(method) == 1 else f"{method} ({one.run.path.name})"
        for method, one in zip(methods, evidence, strict=True)
    ]


def methods_section(evidence: Sequence[RunEvidence]) -> Section | None:
    """Return the table of methods; None for a single run."""
    if len(evidence) < 2:
        return None
    first = evidence[0]
    rows: list[list[Cell]] = []
    bars = []
    for name, scores in first.result.get("baselines", {}).items():
        if name not in [one.result["method"] for one in evidence]:
            rows.append([f"{name} (baseline)", "none", *_figures(scores), "-", "-"])
            bars.append(Bar(f"{name} (baseline)", scores["worst_group_accuracy"], _ends(scores)))
    for number, (name, one) in enumerate(zip(run_names(evidence), evidence, strict=True)):
        found = difference(first, one) if number else None
        gains = [_points(found[field]) if found else "-" for field in ("worst_group_accuracy", "average_accuracy")]
        labels = " and ".join(one.result["attribute_labels_used"])
        shown = f"{name}, oracle" if one.result["oracle"] else name
        rows.append([shown, labels or "none", *_figures(one.result), *gains])
        bars.append(Bar(shown, one.result["worst_group_accuracy"], _ends(one.result), accent=number == 0))
    against = run_names(evidence)[0]
    header = ["method", "attribute labels", "worst group, %", "95 % interval", "average, %"]
    header += [f"worst group - {against}", f"average - {against}"]
    text = (
        f"The page is about the first run, {against}. Differences to it, in points with 95 % intervals, are paired: "
        "over the same images and the same seeds."
    )
    chart = BarChart("Accuracy in the worst group", bars, Table("Methods", header, rows, 2), "worst group", open=True)
    return Section("Beside the other runs", [Paragraph(text), chart])


def _figures(scores: dict[str, Any]) -> list[Cell]:
    worst, average = scores["worst_group_accuracy"], scores["average_accuracy"]
    return [per_cent(worst), interval(_ends(scores)), per_cent(average)]


def _ends(scores: dict[str, Any]) -> list[float]:
    return list(scores.get("image_intervals", scores["intervals"])["worst_group_accuracy"])


def _points(found: dict[str, Any]) -> str:
    low, high = found["ci"]
    return f"{100 * found['difference']:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
