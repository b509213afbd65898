"""A group report as a chart with its table, for pages and notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from debias_pt.groups.groups import group_name
from debias_pt.pages.blocks import Bar, BarChart, Cell, Table, interval, per_cent
from debias_pt.utils.words import counted


def group_chart(
    scores: dict[str, Any], now: str = "", before: Sequence[dict[str, Any]] | None = None, before_name: str = ""
) -> BarChart:
    """Return accuracy by group, worst first; groups without an image are left out.

    Parameters
    ----------
    scores : dict
        What :meth:`~debias_pt.groups.metrics.GroupReport.to_dict` returns.
    now, before_name : str
        What it is of, and what it is compared with.
    before : sequence of dict, optional
        The same groups of what it is compared with.
    """
    old = [None] * len(scores["groups"]) if before is None else before
    pairs = [(group, other) for group, other in zip(scores["groups"], old, strict=True) if group["n"]]
    pairs.sort(key=lambda pair: pair[0]["accuracy"])
    bars = [
        Bar(
            group_name(group["label"], group["attribute"]),
            group["accuracy"],
            group.get("image_ci", group["ci"]),
            other["accuracy"] if other else None,
            counted(group["n"], "image"),
            accent=place == 0,
        )
        for place, (group, other) in enumerate(pairs)
    ]
    several = scores["interval"].startswith("95 % Student")
    rows: list[list[Cell]] = []
    for bar, (group, other) in zip(bars, pairs, strict=True):
        compared = [per_cent(bar.before)] if other else []
        seeds = [interval(group["ci"])] if several else []
        rows.append([bar.name, str(group["n"]), *compared, per_cent(bar.value), interval(bar.ends), *seeds])
    header = ["group", "images", *([f"{before_name}, %"] if before else []), f"{now or 'accuracy'}, %"]
    header += ["95 % interval, over images", *(["95 % interval, over seeds"] if several else [])]
    table = Table("Accuracy by group", header, rows)
    return BarChart("Images classified correctly, by group, worst first", bars, table, now, before_name)
