"""Pictures of results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..shared.figures import BLUE, COLORS, MARKERS, ORANGE, label, new_figure, reference_line, save_figure, widen

PLAIN, ORACLE = BLUE, ORANGE


def plot_rows(result: dict[str, Any], path: Path) -> None:
    """Draw the worst-group accuracy of every row with its interval; oracles separately, in another colour.

    A row that draws nothing at random has no interval over seeds; zero-shot is a line across all rows.

    Raises
    ------
    UsageError
        If matplotlib is not installed, or the file's extension is not supported.
    OutputError
        If the file cannot be written.
    """
    rows = [row for row in result["rows"] if not row["oracle"]] + [row for row in result["rows"] if row["oracle"]]
    several = result["settings"]["seeds"] > 1
    figure = new_figure(9, 1.9 + 0.34 * len(rows))
    axes = figure.add_subplot()
    for place, row in enumerate(rows):
        if row["row"] == "zero-shot":
            reference_line(axes, 100 * row["worst_group_accuracy"], "zero-shot", vertical=True)
        colour = ORACLE if row["oracle"] else PLAIN
        marker = "D" if row["oracle"] else "o"
        _point(axes, row, place, colour, marker, spread=not several or len(row["per_seed"]) > 1)
        if row["true_selection"] is not None:
            _point(axes, row["true_selection"], place + 0.25, ORACLE, "d", filled=False)
    free = sum(not row["oracle"] for row in rows)
    if 0 < free < len(rows):
        axes.axhline(free - 0.4, color="0.6", linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(rows)), [row["name"] for row in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel("worst-group accuracy, %")
    axes.set_title(title(result), fontsize=9, loc="left")
    axes.grid(axis="x", color="0.9")
    _legend(figure, rows)
    save_figure(figure, path)


def plot_ablation(result: dict[str, Any], path: Path) -> None:
    """Draw worst-group accuracy against the value that was varied, one line per series, with intervals."""
    points = result["points"]
    values = list(dict.fromkeys(point["value"] for point in points))
    places = {value: float(value) if result["ordered"] else i for i, value in enumerate(values)}
    names = list(dict.fromkeys(point["series"] for point in points))
    figure = new_figure(6.5, 4.2)
    axes = figure.add_subplot()
    for number, name in enumerate(names):
        own = [point for point in points if point["series"] == name]
        aside = (number - (len(names) - 1) / 2) * 0.008 * max(places.values())  # so that intervals do not overlap
        x = [places[point["value"]] + aside for point in own]
        y = [100 * point["worst_group_accuracy"] for point in own]
        line = "-" if result["ordered"] else ""
        style = {"color": COLORS[number % 7], "marker": MARKERS[number % 7], "linestyle": line}
        axes.errorbar(x, y, yerr=_half(own), markersize=4, capsize=2, linewidth=1.2, label=name, **style)
    axes.set_xticks(list(places.values()), values, fontsize=8)
    axes.set_xlabel(result["varied"])
    axes.set_ylabel("worst-group accuracy, %")
    axes.set_title(title(result), fontsize=9, loc="left")
    axes.grid(axis="y", color="0.9")
    widen(axes)
    if len(names) > 1:
        figure.legend(fontsize=7, loc="outside lower center", ncols=3, frameon=False)
    save_figure(figure, path)


def title(result: dict[str, Any]) -> str:
    """Name data, split, model and seeds; synthetic data is called so."""
    kind = " (synthetic)" if result["synthetic"] else ""
    seeds = result["settings"]["seeds"]
    over = f"mean and 95 % interval over {seeds} seeds" if seeds > 1 else "one seed, 95 % interval over images"
    groups = (
        " by pseudo groups" if result["rows" if "rows" in result else "points"][0]["groups_from"] == "pseudo" else ""
    )
    return label(f"{result['dataset']}{kind}, {result['split']} split{groups}, {result['model']}; {over}")


def _point(
    axes: Any,
    part: dict[str, Any],
    place: float,
    colour: str,
    marker: str,
    *,
    filled: bool = True,
    spread: bool = True,
) -> None:
    value = 100 * part["worst_group_accuracy"]
    low, high = _ends(part) if spread else (value, value)
    axes.errorbar(
        [value], [place], xerr=[[value - low], [high - value]], color=colour, marker=marker,
        markersize=6 if filled else 4, markerfacecolor=colour if filled else "white", capsize=2 if spread else 0,
        linewidth=1,
    )  # fmt: skip


def _ends(part: dict[str, Any]) -> tuple[float, float]:
    low, high = part["intervals"]["worst_group_accuracy"]
    return 100 * low, 100 * high


def _half(points: Sequence[dict[str, Any]]) -> list[list[float]]:
    means = [100 * point["worst_group_accuracy"] for point in points]
    ends = [_ends(point) for point in points]
    below = [mean - low for mean, (low, _) in zip(means, ends, strict=True)]
    return [below, [high - mean for mean, (_, high) in zip(means, ends, strict=True)]]


def _legend(figure: Any, rows: Sequence[dict[str, Any]]) -> None:
    """Explain the marks that occur, beneath everything else."""
    from matplotlib.lines import Line2D

    entries = [("o", PLAIN, PLAIN, "", "no attribute label")]
    if any(row["oracle"] for row in rows):
        entries.append(("D", ORACLE, ORACLE, "", "oracle: attribute labels"))
    if any(row["true_selection"] is not None for row in rows):
        entries.append(("d", ORACLE, "white", "", "oracle: steps by true validation groups"))
    if any(row["row"] == "zero-shot" for row in rows):
        entries.append(("", "black", "black", "--", "zero-shot"))
    handles = [
        Line2D([], [], marker=m, color=c, markerfacecolor=f, linestyle=line, label=t) for m, c, f, line, t in entries
    ]
    figure.legend(handles=handles, fontsize=7, loc="outside lower center", ncols=4, frameon=False)
