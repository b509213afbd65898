"""Results on several data sets as tables: for terminals, Markdown and CSV."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from debias_pt.utils.words import percent

from ...shared.tables import Table, markdown_table
from .. import row_tables
from ..rows import BASELINE
from .compare import FIELD

NOTE = (
    "Worst-group accuracy in per cent; regret in points, to the best row of a set that saw no attribute label and was "
    f"fitted on training images; below {BASELINE}: on how many sets, in brackets on how many of them the interval "
    "over images and seeds excludes 0"
)
SUMMARY = ("mean", "worst regret", f"below {BASELINE}")
PROBE = {"accuracy": "probe right", "majority_accuracy": "majority", "balanced_accuracy": "mean over groups"}


def overview(result: dict[str, Any]) -> Table:
    """Return one line per row: worst-group accuracy on each set, their mean, worst regret, sets below class balance."""
    names = [one["set"] for one in result["sets"]]
    header = ["method", "labels", *names, *SUMMARY]
    lines = zip(result["rows"], accuracies(result, names), strict=True)
    return header, [[*_start(row, False), *cells, *_summary(row)] for row, cells in lines]


def blocks(result: dict[str, Any], width: int = 5) -> list[Table]:
    """Return the same for a terminal: what holds over all sets first, then a few sets at a time."""
    names = [one["set"] for one in result["sets"]]
    tables = [(["method", "labels", *SUMMARY], [[*_start(row, True), *_summary(row)] for row in result["rows"]])]
    for first in range(0, len(names), width):
        some = names[first : first + width]
        lines = zip(result["rows"], accuracies(result, some), strict=True)
        tables.append((["method", *some], [[row_tables.row_name(row, True), *cells] for row, cells in lines]))
    return tables


def accuracies(result: dict[str, Any], names: Sequence[str]) -> list[list[str]]:
    """Return every row's worst-group accuracy on some of the sets, with its interval over seeds."""
    of_set = {one["set"]: {row["row"]: row for row in one["rows"]} for one in result["sets"]}
    found = [[of_set[name].get(row["row"]) for name in names] for row in result["rows"]]
    return [["-" if one is None else row_tables.cell(one, FIELD) for one in own] for own in found]


def set_table(result: dict[str, Any]) -> Table:
    """Return one line per data set: its images, and how good the probe is beside naming each class's majority."""
    header = ["set", "classes x values", "train", "smallest group", "test", *PROBE.values()]
    return header, [_set_line(one) for one in result["sets"]]


def _set_line(one: dict[str, Any]) -> list[str]:
    probe, groups = one["probe"], one["rows"][0]["groups"]
    shape = f"{len({g['label'] for g in groups})} x {len({g['attribute'] for g in groups})}"
    sizes = [group["n_true"] for group in probe.get("groups", ())]
    train = [str(sum(sizes)), str(min(sizes))] if sizes else ["-", "-"]
    return [one["set"], shape, *train, str(sum(g["n"] for g in groups)), *[percent(probe.get(f)) for f in PROBE]]


def markdown(result: dict[str, Any]) -> str:
    """Return all as Markdown."""
    synthetic = [one["set"] for one in result["sets"] if one["synthetic"]]
    parts = [f"Synthetic: {', '.join(synthetic)}."] if synthetic else []
    parts += [markdown_table(*overview(result)), f"{NOTE}; {row_tables.seeds_note(result['sets'][0])}."]
    parts += [markdown_table(*set_table(result), left=1), *unused_lines(result)]
    return "\n\n".join(parts)


def unused_lines(result: dict[str, Any]) -> list[str]:
    """Name the rows that do not use a common option, each line once for all sets that have it."""
    return list(dict.fromkeys(line for one in result["sets"] for line in row_tables.unused_lines(one)))


def csv_table(result: dict[str, Any]) -> Table:
    """Return the lines of every set's own CSV behind its name; columns of groups that a set has not are empty."""
    tables = {one["set"]: row_tables.csv_table(one) for one in result["sets"]}
    columns = list(dict.fromkeys(column for header, _ in tables.values() for column in header))
    lines = []
    for name, (header, rows) in tables.items():
        for row in rows:
            cells = dict(zip(header, row, strict=True))
            lines.append([name, *[cells.get(column, "") for column in columns]])
    return ["set", *columns], lines


def _start(row: dict[str, Any], short: bool) -> list[str]:
    return [row_tables.row_name(row, short), row_tables.labels(row)]


def _summary(row: dict[str, Any]) -> list[str]:
    below = f"{len(row['below_baseline'])} ({len(row['surely_below_baseline'])})"
    regret = row["worst_regret"]
    return [
        percent(row["mean"]),
        "-" if regret is None else f"{100 * regret:.1f} ({row['worst_regret_on']})",
        below if row["compared_with_baseline"] else "-",
    ]
