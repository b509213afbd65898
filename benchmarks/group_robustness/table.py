"""The suite's result as a table for terminals and for Markdown."""

from __future__ import annotations

from typing import Any

COLUMNS = ("method", "attribute labels used", "worst group, %", "average, %", "adjusted average, %", "gap, %")
FIELDS = ("worst_group_accuracy", "average_accuracy", "adjusted_average_accuracy", "gap")


def table(result: dict[str, Any]) -> list[list[str]]:
    """Return one line per row: mean, and half the interval over seeds."""
    return [
        [row["name"], ", ".join(row["attribute_labels_used"]) or "none", *[_cell(row, field) for field in FIELDS]]
        for row in result["rows"]
    ]


def markdown(result: dict[str, Any]) -> str:
    """Return the table as Markdown."""
    lines = [list(COLUMNS), ["---", "---", *["---:"] * len(FIELDS)], *table(result)]
    title = "Synthetic data.\n\n" if result["synthetic"] else ""
    return title + "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(row: dict[str, Any], field: str) -> str:
    value, ends = row[field], row["intervals"].get(field)
    if value is None:
        return "-"
    if len(row["per_seed"]) < 2 or ends is None:
        return f"{100 * value:.1f}"
    return f"{100 * value:.1f} ± {50 * (ends[1] - ends[0]):.1f}"
