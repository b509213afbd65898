"""Results of ``bench discovery`` as tables of text."""

from __future__ import annotations

from typing import Any

from ..shared.tables import Table


def rankings_table(result: dict[str, Any]) -> Table:
    """Return how well each ranking of words does on one data set."""
    header = ["ranking", "AUROC", "precision at 10", "first true word", "seconds", "first words"]
    return header, [_line(one) for one in result["rankings"]]


def _line(one: dict[str, Any]) -> list[str]:
    auroc = "-" if one["auroc"] is None else f"{one['auroc']:.2f}"
    return [
        one["name"],
        auroc,
        f"{one['precision_at_10']:.1f}",
        str(one["rank"] or "-"),
        f"{one['seconds']:.2f}",
        ", ".join(one["first"][:3]),
    ]


def verdict(result: dict[str, Any]) -> str:
    """Say in a sentence what ``discover`` makes of the data set, and whether that is right."""
    right = result["called_found"] == result["shortcut"]
    there = f"there is a shortcut ({result['attribute']})" if result["shortcut"] else "there is no shortcut"
    said = "an attribute is found" if result["called_found"] else "nothing is found"
    agrees = "" if result["agreement"] is None else f"; the first is right for {result['agreement']:.0%}"
    rank = "nothing named is it" if result["true_rank"] is None else f"rank {result['true_rank']}"
    return f"{there}; {said} ({'right' if right else 'WRONG'}); the annotated attribute: {rank}{agrees}"
