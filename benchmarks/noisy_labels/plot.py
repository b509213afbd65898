"""One picture per experiment."""

from __future__ import annotations

from math import nan
from pathlib import Path
from textwrap import fill
from typing import Any

from ..shared.figures import COLORS, MARKERS, label, new_figure, plot_path, reference_line, save_figure, widen
from .cells import ZERO_SHOT


def plot_all(result: dict[str, Any], folder: Path) -> list[Path]:
    """Draw every experiment of a result into a folder, or to files of this name; return the files."""
    paths = []
    for one in result["experiments"]:
        path = plot_path(folder, one["experiment"].replace(": ", "-"), only=len(result["experiments"]) == 1)
        plot(result, one, path)
        paths.append(path)
    return paths


def plot(result: dict[str, Any], one: dict[str, Any], path: Path) -> None:
    """Draw one experiment: lines where x is a number, points side by side where it is a word.

    A line joins neighbouring values of x only if both were measured; zero-shot, which sees no label, is a line across.

    Raises
    ------
    UsageError
        If matplotlib is not installed, or the file's extension is not supported.
    OutputError
        If the file cannot be written.
    """
    drawn = new_figure(7.2, 4.6)
    axes = drawn.add_subplot()
    (_traces if one["measure"] == "noisy share" else _series)(axes, one)
    axes.set_title(title(result, one), fontsize=8, loc="left")
    axes.grid(axis="y", color="0.9")
    drawn.legend(fontsize=7, loc="outside lower center", ncols=2, frameon=False)
    save_figure(drawn, path)


def title(result: dict[str, Any], one: dict[str, Any]) -> str:
    """Name experiment, data, split, model and seeds; synthetic data is called so."""
    kind = " (synthetic)" if result["synthetic"] else ""
    seeds = len(result["seeds"])
    share = one["measure"] == "noisy share"
    spread = "the band from the lowest to the highest" if share else "95 % interval"
    over = f"mean and {spread} of {seeds} seeds" if seeds > 1 else "one seed"
    split = "train" if share else result["split"]
    names = f"{one['title']}: {result['dataset']}{kind}, {split} split, {result['model']}"
    return f"{label(names)}\n{over}"


def _series(axes: Any, one: dict[str, Any]) -> None:
    xs = list(dict.fromkeys(point["x"] for point in one["points"]))
    ordered = all(_is_number(x) for x in xs)
    places = {x: float(x) if ordered else i for i, x in enumerate(xs)}
    names = [name for name in dict.fromkeys(point["series"] for point in one["points"]) if name != ZERO_SHOT]
    width = max(places.values()) - min(places.values()) or 1
    step = (0.006 * width) if ordered else min(0.12, 0.7 / len(names))
    for number, name in enumerate(names):
        measured = {point["x"]: point for point in one["points"] if point["series"] == name}
        aside = (number - (len(names) - 1) / 2) * step  # so that intervals do not overlap
        x = [places[value] + aside for value in xs]
        own = [measured.get(value) for value in xs]  # a gap breaks the line
        style = {"color": COLORS[number % 7], "marker": MARKERS[number % 7], "linestyle": "-" if ordered else ""}
        axes.errorbar(x, *_means(own), markersize=5, capsize=2, linewidth=1.2, label=name, **style)
    frozen = [point["mean"] for point in one["points"] if point["series"] == ZERO_SHOT]
    if frozen:
        reference_line(axes, 100 * frozen[0], ZERO_SHOT)
    widen(axes)
    words = xs if ordered else [fill(x, max(9, 90 // len(xs))) for x in xs]
    axes.set_xticks(list(places.values()), words, fontsize=8)
    axes.set_xlabel(one["x"])
    axes.set_ylabel(f"{one['measure']}, %")


def _means(points: list[dict[str, Any] | None]) -> tuple[list[float], list[list[float]]]:
    """Return means in per cent, and how far their intervals reach below and above, within 0 and 100; NaN for None."""
    means = [100 * point["mean"] if point else nan for point in points]
    ends = [(point["interval"] or [point["mean"]] * 2) if point else [nan, nan] for point in points]
    below = [mean - 100 * max(0.0, low) for mean, (low, _) in zip(means, ends, strict=True)]
    return means, [below, [100 * min(1.0, high) - mean for mean, (_, high) in zip(means, ends, strict=True)]]


def _traces(axes: Any, one: dict[str, Any]) -> None:
    for number, point in enumerate(one["points"]):
        steps = [row["step"] for row in point["trace"]]
        shares = [[100 * value for value in row["class_weights"]] for row in point["trace"]]
        means = [sum(row) / len(row) for row in shares]
        axes.plot(steps, means, color=COLORS[number], marker=MARKERS[number], markersize=4, label=point["series"])
        axes.fill_between(
            steps, [min(row) for row in shares], [max(row) for row in shares], color=COLORS[number], alpha=0.15
        )
    axes.set_xscale("symlog", linthresh=1)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("step")
    axes.set_ylabel("noisy samples' share of the gradient\nof the class weights, %")


def _is_number(word: str) -> bool:
    return word.replace(".", "", 1).isdigit()
