"""Draw the groups of two runs: ``python -m studies.before_after RUN RUN --out FILE``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import Annotated, Any

import typer

from debias_pt.benchmarks.shared.figures import BLUE, label, new_figure, save_figure
from debias_pt.errors import DebiasError, RunError, UsageError
from debias_pt.workflows.run_folder import RunFolder

GREY = "#7f7f7f"
WIDTH = 0.38  # of one bar; a pair leaves a gap to the next group


def plot_before_after(before: Path, after: Path, out: Path) -> None:
    """Draw the accuracy of every group before and after, with the number of images and 95 % intervals.

    Parameters
    ----------
    before, after : Path
        Folders of finished runs on the same data set and split.
    out : Path
        The picture, a ``.png``, ``.pdf`` or ``.svg`` file.

    Raises
    ------
    RunError
        If a run is missing or not finished.
    UsageError
        If the runs do not report the same groups, or matplotlib is not installed.
    OutputError
        If the picture cannot be written.
    """
    results = [_result(path) for path in (before, after)]
    names = _shared_groups(results, before, after)
    figure = new_figure(1.6 + 1.5 * len(names), 3.6)
    axes = figure.add_subplot()
    bottom = axes.get_xaxis_transform()  # x in groups, y in shares of the height
    for result, color, shift in zip(results, (GREY, BLUE), (-WIDTH / 2, WIDTH / 2), strict=True):
        places = [place + shift for place in range(len(names))]
        heights = [100 * group["accuracy"] for group in result["groups"]]
        axes.bar(places, heights, WIDTH, color=color, label=_label(result))
        axes.errorbar(places, heights, yerr=_error(result["groups"]), fmt="none", ecolor="0.15", capsize=3, linewidth=1)
        for place, height in zip(places, heights, strict=True):
            text_color = "white" if height > 8 else "black"  # a low bar has no room for it
            axes.text(place, 0.02, f"{height:.1f}", color=text_color, fontsize=8, ha="center", transform=bottom)
    axes.set_xticks(range(len(names)), names, fontsize=8)
    axes.set_ylim(0, 104)
    axes.set_ylabel("accuracy, %")
    axes.set_title(_title(results[0]), fontsize=9, loc="left")
    axes.grid(axis="y", color="0.9")
    axes.set_axisbelow(True)
    axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, frameon=False)
    save_figure(figure, out)


def _result(path: Path) -> dict[str, Any]:
    run = RunFolder.open(path)
    if not run.finished:
        raise RunError(f"{path}: not finished; resume it with debias-pt train ... --out {path} --resume")
    return run.result


def _shared_groups(results: Sequence[dict[str, Any]], before: Path, after: Path) -> list[str]:
    """Return a label for every group that has images; refuse runs that cannot be compared."""
    for field in ("dataset", "split", "groups_from"):
        values = [result[field] for result in results]
        if values[0] != values[1]:
            raise UsageError(f"{before} and {after}: {field} differs, {values[0]} and {values[1]}; give two like runs")
    groups = [[(g["label"], g["attribute"], g["n"]) for g in result["groups"]] for result in results]
    if groups[0] != groups[1]:
        raise UsageError(f"{before} and {after}: their groups differ, {groups[0]} and {groups[1]}; give two like runs")
    if any(n == 0 for *_, n in groups[0]):
        empty = next(f"{name}, {value}" for name, value, n in groups[0] if n == 0)
        raise UsageError(f"{before}: no image in the group {empty!r}; nothing to draw there, choose another split")
    return [f"{label(name, 30)},\n{label(value, 30)}\nn = {n:,}" for name, value, n in groups[0]]


def _error(groups: Sequence[dict[str, Any]]) -> list[list[float]]:
    """Return the lengths of the error bars below and above, shape ``(2, G)``, in percentage points."""
    below = [100 * (g["accuracy"] - g["ci"][0]) for g in groups]
    above = [100 * (g["ci"][1] - g["accuracy"]) for g in groups]
    return [below, above]


def _label(result: dict[str, Any]) -> str:
    oracle = " (oracle)" if result["oracle"] else ""
    return f"{result['method']}{oracle}: worst group {100 * result['worst_group_accuracy']:.1f} %"


def _title(result: dict[str, Any]) -> str:
    """Name data, split, model and seeds; synthetic data and pseudo groups are called so."""
    kind = " (synthetic)" if result["synthetic"] else ""
    groups = "" if result["groups_from"] == "true" else "; pseudo groups"
    seeds = len(result["seeds"])
    over = f"{seeds} seeds, 95 % interval over seeds" if seeds > 1 else "one seed, 95 % interval over images"
    name = f"{Path(result['dataset']).name}{kind}, {result['split']} split, {result['model']}{groups}; {over}"
    shown: str = label(fill(name, 66), 200)  # a longer line would leave the bars no room
    return shown


def main(
    before: Annotated[Path, typer.Argument(help="Run folder before debiasing, such as one of --method erm.")],
    after: Annotated[Path, typer.Argument(help="Run folder after debiasing, such as one of --method dpt.")],
    out: Annotated[Path, typer.Option(help="The picture: a .png, .pdf or .svg file.")],
) -> None:
    """Draw the accuracies of two finished runs by group."""
    try:
        plot_before_after(before, after, out)
    except DebiasError as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(error.exit_code) from error


if __name__ == "__main__":
    typer.run(main)
