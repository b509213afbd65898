"""Plain lines, tables and JSON on standard output, and how figures are written there."""

from __future__ import annotations

import json
import sys
from typing import Any, TextIO

from debias_pt.utils.words import escaped, percent_range


def say(text: str = "", file: TextIO | None = None) -> None:
    """Print a line for people; see :func:`~debias_pt.utils.words.escaped`."""
    print(escaped(text), file=file)


def print_json(result: dict[str, Any]) -> None:
    """Print one JSON object on standard output."""
    print(json.dumps(result, indent=2, allow_nan=False))


def write_stdout(text: str) -> None:
    """Write text as it is; file names that are not valid UTF-8 are kept byte for byte."""
    sys.stdout.buffer.write(text.encode(errors="surrogateescape"))
    sys.stdout.buffer.flush()


def interval(ends: list[float] | None) -> str:
    """Return an interval as percentages; nothing where there is none."""
    return percent_range(ends, missing="")


def points(difference: float, ends: list[float]) -> tuple[str, str]:
    """Return a difference in points, and its interval.

    >>> points(0.125, [0.05, 0.2])
    ('+12.5', '+5.0 to +20.0')
    """
    return f"{100 * difference:+.1f}", f"{100 * ends[0]:+.1f} to {100 * ends[1]:+.1f}"


WIDTH = 120  # where there is no terminal


def print_table(columns: list[str], rows: list[list[str]], title: str = "") -> None:
    """Print a table, first column to the left, others to the right; a wide one in several parts.

    Each part has the first column again, so that no cell is broken in the middle of a word.
    """
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    columns, rows = [_cell(name) for name in columns], [[_cell(cell) for cell in row] for row in rows]
    for number, chosen in enumerate(column_parts(columns, rows, console.width)):
        part = [[row[i] for i in chosen] for row in rows]
        console.print(_table([columns[i] for i in chosen], part, "" if number else title, console.width))


def _cell(text: str) -> str:
    return escaped(text.replace("\n", "\\n").replace("\t", "\\t"))


def _table(columns: list[str], rows: list[list[str]], title: str, width: int) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=box.SIMPLE_HEAD, title=Text(escaped(title)) if title else None, title_justify="left", pad_edge=False
    )
    for i, wide in enumerate(column_widths(columns, rows, width)):
        table.add_column(Text(columns[i]), justify="left" if i == 0 else "right", overflow="fold", width=wide)
    for row in rows:
        table.add_row(*[Text(cell) for cell in row])  # paths and names may look like markup
    return table


def least_widths(columns: list[str], rows: list[list[str]]) -> list[int]:
    """Return how wide every column has to be: for its longest cell, and for each word of its heading."""
    return [
        max([len(word) for word in name.split()] + [len(row[i]) for row in rows] + [1])
        for i, name in enumerate(columns)
    ]


def column_widths(columns: list[str], rows: list[list[str]], width: int) -> list[int]:
    """Return the columns' widths: what they need, and from the left what their headings have use for.

    Rich would take the space for a long heading from its neighbours, and leave a column out in the end.

    Examples
    --------
    >>> column_widths(["method", "mean accuracy", "worst group"], [["erm", "50.0", "60.0"]], 34)
    [6, 13, 7]
    """
    widths = [min(least, width // 2) for least in least_widths(columns, rows)]  # a path may be longer than a line
    for i, name in enumerate(columns):
        spare = max(width - _total(widths, list(range(len(columns)))), 0)
        widths[i] += min(spare, max(len(name) - widths[i], 0))
    return widths


def column_parts(columns: list[str], rows: list[list[str]], width: int) -> list[list[int]]:
    """Return which columns stand in each part of a table that fits into a width; the first one is in all of them.

    A heading may be folded between words, a cell that holds a figure not.

    Examples
    --------
    >>> column_parts(["method", "cats", "dogs"], [["erm", "50.0", "60.0"]], 16)
    [[0, 1], [0, 2]]
    """
    least = least_widths(columns, rows)
    parts: list[list[int]] = [[0]]
    for i in range(1, len(columns)):
        if _total(least, [*parts[-1], i]) > width and len(parts[-1]) > 1:
            parts.append([0])
        parts[-1].append(i)
    size = -(-(len(columns) - 1) // len(parts)) or 1  # parts of one size are easier to compare
    even = [[0, *range(i, min(i + size, len(columns)))] for i in range(1, len(columns), size)]
    return even if even and all(_total(least, part) <= width for part in even) else parts


def _total(least: list[int], part: list[int]) -> int:
    """Return the width of a table: its columns, three between them, one at each edge."""
    return sum(least[i] + 3 for i in part) - 1


def data_name(result: dict[str, Any]) -> str:
    """Return the data set's name, marked if the data is synthetic."""
    return f"{result['dataset']} (synthetic)" if result["synthetic"] else str(result["dataset"])
