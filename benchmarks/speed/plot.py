"""One picture of a speed result: how many times as fast as the baseline every candidate is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..shared.figures import BLUE, new_figure, save_figure
from .section_tables import figure, heading


def plot(result: dict[str, Any], path: Path) -> None:
    """Draw a panel per section: a point for every candidate on a logarithmic scale, with the quartiles.

    Raises
    ------
    UsageError
        If matplotlib is not installed, or the file's extension is not supported.
    OutputError
        If the file cannot be written.
    """
    sections = [section for section in result["sections"] if "baseline" in section]
    sizes = [len(section["rows"]) for section in sections]
    drawing = new_figure(9, 0.7 + sum(0.75 + 0.3 * size for size in sizes))
    panels = drawing.subplots(len(sections), 1, squeeze=False, height_ratios=[size + 1 for size in sizes])[:, 0]
    drawing.suptitle(heading(result), fontsize=8, x=0.01, ha="left")
    for axes, section in zip(panels, sections, strict=True):
        _panel(axes, section)
    save_figure(drawing, path)


def _panel(axes: Any, section: dict[str, Any]) -> None:
    rows = section["rows"]
    for place, row in enumerate(rows):
        times = row["times_as_fast"]
        ends = [[times["median"] - times["low"]], [times["high"] - times["median"]]]
        color = "0.6" if row["name"] == section["baseline"] else BLUE
        axes.errorbar(times["median"], place, xerr=ends, color=color, marker="o", markersize=6, capsize=2, linewidth=1)
        text = f"  {figure(times['median'])}x, {figure(row['seconds']['median'])} s"
        axes.text(max(times["high"], times["median"]), place, text, va="center", fontsize=7)
    axes.axvline(1, color="0.6", linewidth=0.8)  # the baseline
    axes.set_xscale("log")
    low, high = (pick(row["times_as_fast"]["median"] for row in rows) for pick in (min, max))
    axes.set_xlim(low / 2, high * (high / low) ** 0.25 * 3)  # room for the words behind the points
    axes.set_yticks(range(len(rows)), [row["name"] for row in rows], fontsize=7)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.tick_params(axis="x", which="both", labelsize=7)
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    axes.set_title(f"{section['title']}: times as fast as {section['baseline']}", fontsize=8, loc="left")
