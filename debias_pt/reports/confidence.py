"""Does it know when it is wrong? Confidence beside accuracy: over all images, in the worst group, by group."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from debias_pt.pages.blocks import Bar, BarChart, Cell, Charts, Line, LineChart, Paragraph, Section, Table, per_cent
from debias_pt.pages.text import named
from debias_pt.reports.evidence import Answers, RunEvidence
from debias_pt.utils.words import counted

BINS = 10
Floats = NDArray[np.float64]


def confidence_section(evidence: RunEvidence) -> Section | None:
    """Return reliability curves and confidence by group; None where the answers are not known."""
    answers = evidence.answers
    if answers is None:
        return None
    confidence, right = answers.probabilities.max(axis=1), answers.right
    inside = answers.groups.index == evidence.worst_index
    errors = [calibration_error(confidence[rows], right[rows]) for rows in (np.ones_like(inside), inside)]
    text = (
        "Of the images that the model classifies with 80 % confidence, 80 of 100 should be right. On average its "
        f"confidence misses that by {100 * errors[0]:.1f} points over all images and by {100 * errors[1]:.1f} in the "
        f"worst group, {named(evidence.worst_name)} (expected calibration error, {BINS} bins)."
        + (" Several seeds give one answer here, by their mean probability." if len(answers.predictions) > 1 else "")
    )
    return Section(
        "Does it know when it is wrong?",
        [Paragraph(text), Charts([reliability(confidence, right, inside)]), by_group(answers)],
    )


def bins(confidence: Floats, right: NDArray[np.bool_]) -> list[tuple[int, float, float]]:
    """Return images, mean confidence and accuracy in each of ten equal bins of confidence.

    Examples
    --------
    >>> bins(np.array([0.55, 0.65, 0.95]), np.array([True, False, True]))[5]
    (1, 0.55, 1.0)
    """
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    found = []
    for b in range(BINS):
        own = place == b
        n = int(own.sum())
        found.append((n, float(confidence[own].mean()), float(right[own].mean())) if n else (0, np.nan, np.nan))
    return found


def calibration_error(confidence: Floats, right: NDArray[np.bool_]) -> float:
    """Return the expected calibration error: how far confidence is from accuracy, weighted by the bins' images.

    Source: Guo et al., 2017 (arXiv 1706.04599), equation 3.
    """
    return sum(n / len(right) * abs(sure - share) for n, sure, share in bins(confidence, right) if n)


def reliability(confidence: Floats, right: NDArray[np.bool_], inside: NDArray[np.bool_]) -> LineChart:
    """Return the reliability curves of all images and of the worst group."""
    of_all, of_worst = bins(confidence, right), bins(confidence[inside], right[inside])
    lines = [Line("as sure as right", [0, 1], [0, 1], "dotted")]
    for name, found, style in (("all images", of_all, "solid"), ("worst group", of_worst, "dots")):
        there = [(sure, share) for n, sure, share in found if n]
        lines.append(Line(name, [sure for sure, _ in there], [share for _, share in there], style))
    rows: list[list[Cell]] = []
    for b, (one, two) in enumerate(zip(of_all, of_worst, strict=True)):
        if one[0]:
            worst: list[Cell] = [str(two[0]), per_cent(two[2] if two[0] else None)]
            span = f"{100 * b // BINS} to {100 * (b + 1) // BINS}"
            rows.append([span, str(one[0]), per_cent(one[1]), per_cent(one[2]), *worst])
    header = ["confidence, %", "images", "mean confidence, %", "right, %", "of the worst group", "right, %"]
    table = Table("Accuracy by confidence", header, rows)
    return LineChart("Images right, %, by confidence", "confidence, %", lines, table, unit=True)


def by_group(answers: Answers) -> BarChart:
    """Return accuracy and mean confidence of every group."""
    confidence = answers.probabilities.max(axis=1)
    bars: list[Bar] = []
    rows: list[list[Cell]] = []
    index, names = answers.groups.index, answers.groups.names
    for g in np.flatnonzero(answers.groups.counts):
        own = index == g
        right, sure = answers.right[own], confidence[own]
        bar = Bar(names[g], float(right.mean()), None, float(sure.mean()), counted(int(own.sum()), "image"))
        bars.append(bar)
        when = [per_cent(float(sure[kind].mean()) if kind.any() else None) for kind in (right, ~right)]
        rows.append([bar.name, bar.note.split()[0], per_cent(bar.value), per_cent(bar.before), *when])
    order = sorted(range(len(bars)), key=lambda i: bars[i].value - (bars[i].before or 0.0))
    header = ["group", "images", "right, %", "mean confidence, %", "where right, %", "where wrong, %"]
    table = Table("Confidence by group", header, [rows[i] for i in order])
    title = "Accuracy and confidence by group, most overconfident first"
    return BarChart(title, [bars[i] for i in order], table, "images right", "mean confidence")
