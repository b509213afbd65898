"""Tables of images: CSV, TSV, JSON lines or Parquet with a row per image."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from typing import Any, TextIO

from debias_pt.datasets.custom.listing import AS_USUAL, CustomData, Listing
from debias_pt.datasets.splits import SPLITS, split_of
from debias_pt.errors import DatasetError
from debias_pt.utils.registry import nearest
from debias_pt.utils.stores.addresses import is_remote, shown
from debias_pt.utils.stores.place import Place, StorePath, place

Table = dict[str, list[Any]]
ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
# If no column is named, the first of these that the table has.
USUAL = {
    "image": ("image", "path", "image_path", "file_name", "filename", "file", "filepath", "img_filename", "image_id"),
    "label": ("label", "class", "y", "target", "category"),
    "split": ("split", "partition"),
    "group": ("group",),
}


def read_table(path: Place, own: CustomData = AS_USUAL) -> Listing:
    """List the images of a table.

    Parameters
    ----------
    path : Path or StorePath
        Ends in one of `ENDINGS`; the first line of a CSV names its columns.
    own : CustomData
        Which column is what.

    Raises
    ------
    DatasetError
        If it cannot be read, a column is missing, or a row lacks a value; names column and row.
    """
    table = read_cells(path)
    image = _column(path, table, "image", own.image_column)
    assert image is not None
    labels, splits, attributes = read_columns(path, table, own)
    root = place(own.image_root) if own.image_root else path.parent
    written = words_of(path, table, image)
    files = {shown(word): word for word in written if is_remote(word)}
    return Listing(path, root, [shown(word) for word in written], labels, splits, attributes, files)


Columns = tuple[list[str], list[str] | None, dict[str, list[str]]]


def read_columns(
    source: Place | str, table: Table, own: CustomData, called: Callable[[int], str] = "row {}".format
) -> Columns:
    """Return labels, splits if there are any, and annotated attributes.

    Parameters
    ----------
    source : Path, StorePath or str
        For messages.
    table : dict of str to list
        Values by column.
    own : CustomData
        Which column is what.
    called : callable
        Gives the name of a row by its number from 1.

    Raises
    ------
    DatasetError
        If a column is missing, or a row lacks a value; names column and row.
    """
    label = _column(source, table, "label", own.label_column)
    assert label is not None
    split = _column(source, table, "split", own.split_column)
    if own.group_column and own.attribute_columns:
        raise DatasetError(
            f"{source}: --group-column and --attribute-column both; groups are class x attribute, give one"
        )
    group = None if own.attribute_columns else _column(source, table, "group", own.group_column)
    named = [_column(source, table, "attribute", name) or "" for name in own.attribute_columns]
    attributes = {name: words_of(source, table, name, called) for name in (*named, *([group] if group else []))}
    splits = None if split is None else _splits(source, split, words_of(source, table, split, called), called)
    return words_of(source, table, label, called), splits, attributes


def read_cells(path: Place) -> Table:
    """Read a table, cells of text as they are written."""
    ending = path.suffix.lower()
    try:
        if ending == ".parquet":
            return _read_parquet(path)
        with _opened(path) as file:
            return _read_json_lines(file) if ending in (".jsonl", ".ndjson") else _read_csv(file, ending)
    except OSError as error:
        raise DatasetError(f"{path}: cannot read this table ({error.strerror or error})") from error
    except (ValueError, RecursionError, csv.Error) as error:
        raise DatasetError(f"{path}: not a valid {ending} table ({' '.join(str(error).split())})") from error


def _opened(path: Place) -> TextIO:
    if isinstance(path, StorePath):
        return io.TextIOWrapper(io.BytesIO(path.read_bytes()), newline="", encoding="utf-8-sig")
    return open(path, newline="", encoding="utf-8-sig")


def _read_csv(file: TextIO, ending: str) -> Table:
    rows = csv.reader(file, delimiter="\t" if ending == ".tsv" else ",", strict=True)
    header = next(rows, [])
    _refuse_twice(header)
    cells: list[list[Any]] = [[] for _ in header]
    number = 0
    for row in rows:
        if not row:
            continue  # an empty line
        number += 1
        if len(row) != len(header):
            raise ValueError(f"row {number} has {len(row)} cells, the header has {len(header)}")
        for column, cell in zip(cells, row, strict=True):
            column.append(cell)
    return dict(zip(header, cells, strict=True))


def _read_json_lines(file: TextIO) -> Table:
    rows = [json.loads(line) for line in file if line.strip()]
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise ValueError(f"row {number} is {type(row).__name__}, not an object")
    columns = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in columns}


def _read_parquet(path: Place) -> Table:
    try:
        from pyarrow.parquet import read_table as read
    except ImportError as error:
        message = f"{path}: reading Parquet needs pyarrow, which is not installed; pip install 'debias-pt[parquet]'"
        raise DatasetError(message) from error
    from pyarrow import ArrowException

    try:
        found = read(io.BytesIO(path.read_bytes()) if isinstance(path, StorePath) else path)
        _refuse_twice(found.column_names)
        columns: Table = found.to_pydict()
    except ArrowException as error:
        raise ValueError(str(error)) from error
    return columns


def _refuse_twice(columns: list[str]) -> None:
    """Refuse two columns of one name: either would hide the other."""
    twice = [name for name in columns if columns.count(name) > 1]
    if twice:
        raise ValueError(f"two columns are called {twice[0]!r}")


def _column(path: Place | str, table: Table, role: str, asked: str | None) -> str | None:
    """Return the column for a role; image and label are required."""
    columns = list(table)
    option = f"--{role}-column"
    if asked is not None:
        if asked not in columns:
            raise DatasetError(
                f"{path}: has no column {asked!r}{nearest(asked, columns)}; it has {', '.join(columns)} ({option})"
            )
        return asked
    usual = [column for name in USUAL[role] for column in columns if column.strip().lower() == name]
    if not usual and role in ("image", "label"):
        raise DatasetError(
            f"{path}: no column has a usual name for an image's {'path' if role == 'image' else role} "
            f"({', '.join(USUAL[role])}); it has {', '.join(columns) or 'none'}: name it with {option}"
        )
    return usual[0] if usual else None


def words_of(path: Place | str, table: Table, column: str, called: Callable[[int], str] = "row {}".format) -> list[str]:
    """Return a column as text, whole numbers without a decimal point."""
    words = []
    for row, value in enumerate(table[column], start=1):
        if isinstance(value, bytes | dict):
            raise DatasetError(
                f"{path}: the column {column!r} holds images, not their paths; read it from Python: "
                "encode_samples(backbone, datasets.load_dataset('parquet', data_files=...)['train'], class_names)"
            )
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, list):
            raise DatasetError(f"{path}: {called(row)} has a list in column {column!r}; text or a number expected")
        word = "" if value is None or value != value else str(value).strip()
        if not word:
            raise DatasetError(f"{path}: {called(row)} has nothing in column {column!r}; fill it in or remove it")
        words.append(word)
    return words


def _splits(path: Place | str, column: str, words: Sequence[str], called: Callable[[int], str]) -> list[str]:
    """Return a column's words as splits."""
    splits = []
    for row, word in enumerate(words, start=1):
        split = SPLITS[int(word)] if word in ("0", "1", "2") else split_of(word)
        if split is None:
            raise DatasetError(f"{path}: {called(row)} has {column} {word!r}; train, val or test expected")
        splits.append(split)
    return splits
