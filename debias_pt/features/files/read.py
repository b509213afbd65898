"""A file or folder of features, read as a data set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from debias_pt.datasets.attributes import in_order
from debias_pt.datasets.base import ImageDataset
from debias_pt.datasets.custom.feature_paths import FEATURES, feature_column
from debias_pt.datasets.custom.listing import AS_USUAL, CustomData, Listing
from debias_pt.datasets.custom.read import from_listing
from debias_pt.datasets.custom.table import USUAL, read_columns, words_of
from debias_pt.errors import DatasetError, FingerprintError
from debias_pt.features import table_io
from debias_pt.features.files.arrays import FeatureRows, read_arrays
from debias_pt.features.files.dataset import FeatureDataset
from debias_pt.features.files.embeddings_folder import read_folder
from debias_pt.features.table import FeatureTable
from debias_pt.utils.array_files import numbers
from debias_pt.utils.files import require_regular
from debias_pt.utils.registry import nearest

IDS = ("id", "ids", "name", "names", "paths", *USUAL["image"])


def read_features(path: str | Path, own: CustomData = AS_USUAL) -> FeatureDataset:
    """Read features with labels.

    Parameters
    ----------
    path : path-like
        ``.npz`` or ``.safetensors`` with ``features`` (N, D), labels and whatever else there is for each row, or
        with ``train_features``, ``train_labels``, ``test_features`` and so on; ``.npy`` with a table of the same
        rows beside it; ``.parquet`` with a list of numbers in each row; what :meth:`FeatureTable.save` wrote; or a
        folder that clip-retrieval wrote.
    own : CustomData
        Which column is what, what labels mean, and how to draw splits that are not given.

    Returns
    -------
    FeatureDataset

    Raises
    ------
    DatasetError
        If it is missing, of another form, or its parts do not go together.
    """
    place = Path(path)
    saved = _saved_table(place)
    if saved is not None:
        own.refuse_columns(f"{path} is a table that debias-pt saved")
        return _of_table(str(path), saved, own)
    rows = read_rows(place)
    if own.image_root:
        raise DatasetError(f"--image-root {own.image_root} is for images, and {path} holds features; leave it out")
    labels, splits, attributes = read_columns(place, _with_labels(place, rows, own), own)
    labels, known = _named(place, labels, rows)
    listing = Listing(place, place.parent, ids_of(place, rows, own.image_column), labels, splits, attributes)
    return _with_features(from_listing(str(path), listing, own, known), rows.features)


def read_rows(path: Path) -> FeatureRows:
    """Read features and whatever is written of each row; labels need not be there.

    Raises
    ------
    DatasetError
        If it is missing or of another form.
    """
    if path.is_dir():
        embeddings, columns = read_folder(path)
        return FeatureRows(numbers(path, "img_emb", embeddings), columns)
    if not path.exists():
        raise DatasetError(f"{path}: no such file or folder; give a file of features")
    require_regular(path)
    saved = _saved_table(path)
    if saved is not None:
        return FeatureRows(saved.features, {"id": list(saved.ids)}, saved.class_names)
    if path.suffix.lower() == ".parquet":
        return _parquet(path)
    return read_arrays(path)


def ids_of(path: Path, rows: FeatureRows, column: str | None = None) -> list[str]:
    """Return a name for every row: a column of that kind, else the numbers of the rows."""
    if column is not None and column not in rows.columns:
        raise DatasetError(
            f"{path}: has no column {column!r}{nearest(column, rows.columns)}; it has {', '.join(rows.columns)} "
            "(--image-column)"
        )
    usual = [name for wanted in IDS for name in rows.columns if name.strip().lower() == wanted]
    chosen = column or (usual[0] if usual else None)
    if chosen is not None:
        return words_of(path, rows.columns, chosen)
    return list(rows.columns.get("row", map(str, range(len(rows.features)))))


def _parquet(path: Path) -> FeatureRows:
    with table_io.one_line(path):
        from pyarrow.parquet import read_table

        found = read_table(str(path))
        column = feature_column(path)
        if column is None:
            raise DatasetError(f"{path}: has no column of features ({', '.join(FEATURES)}), a list of numbers each")
        matrix = table_io.matrix_of(found[column], column)
        columns = {name: found[name].to_pylist() for name in found.column_names if name != column}
    return FeatureRows(numbers(path, column, matrix), columns)


def _saved_table(path: Path) -> FeatureTable | None:
    """Return a table that :meth:`FeatureTable.save` wrote, or None if it is not one."""
    if path.suffix.lower() not in (".safetensors", ".parquet") or not path.is_file():
        return None
    if not table_io.is_ours(path):
        return None
    try:
        return FeatureTable.load(path)
    except FingerprintError as error:
        raise DatasetError(str(error)) from error


def _of_table(path: str, table: FeatureTable, own: CustomData) -> FeatureDataset:
    words = {name: true.words for name, true in table.attributes.items()}
    labels = [table.class_names[k] for k in table.y.tolist()]
    listing = Listing(path, Path(path).parent, table.ids, labels, table.split.tolist(), words)
    dataset = from_listing(path, listing, own, table.class_names)
    more = {"template": table.template, "attributes": table.attributes}
    return _with_features(dataset, table.features, table.fingerprint, table.image_hashes, **more)


def _with_features(
    dataset: ImageDataset,
    features: np.ndarray[Any, np.dtype[np.float32]],
    made_by: Mapping[str, Any] | None = None,
    image_hashes: tuple[str, ...] = (),
    **more: Any,
) -> FeatureDataset:
    known = {**vars(dataset), **more}
    return FeatureDataset(**known, features=features, made_by=made_by or {}, image_hashes=image_hashes)


def _with_labels(path: Path, rows: FeatureRows, own: CustomData) -> dict[str, list[Any]]:
    """Return the columns; refuse features that nothing says a class of, in words that fit a file of features."""
    usual = {name.strip().lower() for name in rows.columns} & {*USUAL["label"]}
    if own.label_column is None and not usual:
        has = ", ".join(rows.columns) or "nothing but features"
        raise DatasetError(
            f"{path}: says no class of its rows (it has {has}); name the labels with --label-column, or put "
            f"{path.with_suffix('.csv').name} beside it with a column 'label'"
        )
    return rows.columns


def _named(path: Path, labels: list[str], rows: FeatureRows) -> tuple[list[str], tuple[str, ...]]:
    """Return labels as names, and the names in their order."""
    names = rows.class_names
    if names is None:
        return labels, in_order(labels)
    by_number = {str(k): name for k, name in enumerate(names)}
    known = {**by_number, **{name: name for name in names}}
    wrong = next((row for row, label in enumerate(labels) if label not in known), None)
    if wrong is not None:
        raise DatasetError(
            f"{path}: row {wrong + 1} has the label {labels[wrong]!r} for {len(names)} class names; 0 to "
            f"{len(names) - 1}, or one of the names expected"
        )
    return [known[label] for label in labels], names
