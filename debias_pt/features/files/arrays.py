"""Features in named arrays (``.npz``, safetensors) or in one (``.npy``): one matrix, or one for every split."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.datasets.custom.feature_paths import FEATURES
from debias_pt.datasets.custom.table import USUAL, Table, read_cells
from debias_pt.datasets.splits import SPLITS, split_of
from debias_pt.errors import DatasetError, DebiasWarning
from debias_pt.utils.array_files import numbers, read_npy, read_npz, texts
from debias_pt.utils.words import counted

Arrays = Mapping[str, NDArray[Any]]
LABELS = ("labels", "targets", *USUAL["label"])
NAMES = "class_names"


@dataclass(frozen=True)
class FeatureRows:
    """Features and what is written of each row, before it is known what is a label and what a split.

    Parameters
    ----------
    features : ndarray of float32, shape (N, D)
        Rows of unit length.
    columns : dict of str to list
        N values by column.
    class_names : tuple of str, optional
        What labels that are numbers count.
    """

    features: NDArray[np.float32]
    columns: Table = field(default_factory=dict)
    class_names: tuple[str, ...] | None = None


def read_arrays(path: Path) -> FeatureRows:
    """Read a file of arrays, and where that has no labels a table beside it that has the same rows.

    Raises
    ------
    DatasetError
        If it cannot be read, holds no features, or its arrays do not go together.

    Warns
    -----
    DebiasWarning
        Names what is scaled, left out, or taken from the table beside it.
    """
    ending = path.suffix.lower()
    if ending == ".npy":
        return _with_table_beside(path, FeatureRows(numbers(path, "features", read_npy(path))))
    arrays = read_npz(path) if ending == ".npz" else _safetensors(path)
    rows = _by_split(path, arrays) or _whole(path, arrays)
    return _with_table_beside(path, rows)


def _safetensors(path: Path) -> dict[str, NDArray[Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as file:  # torch knows bfloat16, numpy does not
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  no mapping
            names = (file.metadata() or {}).get(NAMES)
    except (OSError, SafetensorError) as error:
        raise DatasetError(f"{path}: damaged or unreadable ({error}); save it again") from error
    arrays = {name: (one.float() if one.is_floating_point() else one).numpy() for name, one in tensors.items()}
    return arrays if names is None else {**arrays, NAMES: _listed(path, names)}


def _listed(path: Path, text: str) -> NDArray[Any]:
    """Return the class names that a safetensors file has in its metadata, as JSON."""
    import json

    try:
        names = json.loads(text)
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DatasetError(f"{path}: {NAMES} in its metadata is {text!r}; a list of words in JSON expected")
    return np.array(names, dtype=np.str_)


def _by_split(path: Path, arrays: Arrays) -> FeatureRows | None:
    """Return ``SPLIT_features``, ``SPLIT_labels`` and whatever else each split has, one under another."""
    parts = {name: found for name in arrays if (found := _split_part(name))}
    here = {split for split, what in parts.values() if what.lower() in FEATURES}
    splits = [split for split in SPLITS if split in here]
    if not splits:
        return None
    twice = [part for part in parts.values() if list(parts.values()).count(part) > 1]
    if twice:
        raise DatasetError(f"{path}: two arrays are the {twice[0][1]} of {twice[0][0]}; leave one out")
    of_split = {split: {what: arrays[name] for name, (of, what) in parts.items() if of == split} for split in splits}
    matrices, columns = [], dict[str, list[Any]]()
    for split, part in of_split.items():
        key = next(what for what in part if what.lower() in FEATURES)
        matrices.append(numbers(path, f"{split}_{key}", part.pop(key)))
        _require_rows(path, {f"{split}_{what}": array for what, array in part.items()}, len(matrices[-1]), split)
        labels = [what for what in part if what.lower() in LABELS]
        if len(labels) != 1:
            seen = f"{split}_{labels[1]} and {split}_{labels[0]}" if labels else "none"
            raise DatasetError(f"{path}: labels of {split}: {seen}; one array expected, {split}_labels")
        said = {"label" if what == labels[0] else what: texts(path, what, array) for what, array in part.items()}
        n = len(matrices[-1])
        said = {"split": [split] * n, "row": [f"{split}/{row}" for row in range(n)], **said}
        for what, values in said.items():
            columns.setdefault(what, []).extend(values)
    widths = {split: matrix.shape[1] for split, matrix in zip(splits, matrices, strict=True)}
    if len(set(widths.values())) > 1:
        listed = ", ".join(f"{split} {width}" for split, width in widths.items())
        raise DatasetError(f"{path}: splits have features of unequal size ({listed}); those of one model expected")
    features = np.concatenate(matrices)
    uneven = [what for what, values in columns.items() if len(values) != len(features)]
    if uneven:
        raise DatasetError(f"{path}: {uneven[0]!r} is not there for every split ({', '.join(splits)}); add it")
    names = _class_names(path, arrays)
    used = {*parts, NAMES, "logit_scale"}
    _warn_unread(path, [name for name in arrays if name not in used])
    return FeatureRows(features, columns, names)


def _split_part(name: str) -> tuple[str, str] | None:
    """Return ``("val", "features")`` for ``val_features`` or ``validation/features``."""
    for mark in ("_", "/", "."):
        first, found, rest = name.partition(mark)
        split = split_of(first)
        if found and split and rest:
            return split, rest
    return None


def _whole(path: Path, arrays: Arrays) -> FeatureRows:
    """Return one matrix of features, and every array that has a value for each of its rows."""
    keys = [name for wanted in FEATURES for name in arrays if name.lower() == wanted]
    if not keys:
        raise DatasetError(
            f"{path}: has no features, only {', '.join(arrays) or 'nothing'}; call them 'features', or "
            "'train_features' and so on"
        )
    features = numbers(path, keys[0], arrays[keys[0]])
    others = {name: array for name, array in arrays.items() if name not in (keys[0], NAMES, "logit_scale")}
    columns = {name: array for name, array in others.items() if array.ndim == 1}
    _require_rows(path, columns, len(features), keys[0])
    _warn_unread(path, [name for name in others if name not in columns])
    said = {_usual(name, columns): texts(path, name, array) for name, array in columns.items()}
    return FeatureRows(features, dict(said), _class_names(path, arrays))


def _usual(name: str, columns: Mapping[str, Any]) -> str:
    """Return ``label`` for ``labels``, where no column is called so."""
    return "label" if name.lower() in ("labels", "targets") and "label" not in columns else name


def _require_rows(path: Path, columns: Arrays, n: int, of: str) -> None:
    for name, array in columns.items():
        if array.ndim != 1 or len(array) != n:
            raise DatasetError(
                f"{path}: {name!r} has shape {array.shape} for {counted(n, 'row')} of {of}; one value a row expected"
            )


def _class_names(path: Path, arrays: Arrays) -> tuple[str, ...] | None:
    if NAMES not in arrays:
        return None
    names = tuple(texts(path, NAMES, arrays[NAMES]))
    if len(set(names)) < len(names):
        raise DatasetError(f"{path}: {NAMES} has {max(names, key=names.count)!r} twice; give every class its own")
    return names


def _warn_unread(path: Path, names: Sequence[str]) -> None:
    if names:
        warnings.warn(f"{path}: not read: {', '.join(names)}", DebiasWarning, stacklevel=4)


def _with_table_beside(path: Path, rows: FeatureRows) -> FeatureRows:
    """Return rows with the columns of ``NAME.csv`` beside ``NAME.npz``, where the arrays say no class."""
    if any(name.lower() in LABELS for name in rows.columns):
        return rows
    beside = next((path.with_suffix(ending) for ending in (".csv", ".tsv") if path.with_suffix(ending).is_file()), None)
    if beside is None:
        return rows
    columns = read_cells(beside)
    n = len(next(iter(columns.values()), []))
    if n != len(rows.features):
        raise DatasetError(
            f"{beside}: {counted(n, 'row')} for {len(rows.features)} of {path.name}; the same rows in the same order "
            "expected"
        )
    both = sorted({*columns} & {*rows.columns})
    if both:
        raise DatasetError(f"{beside}: has {both[0]!r}, and {path.name} has it too; remove one")
    warnings.warn(f"{path}: labels and the like are read from {beside.name} beside it", DebiasWarning, stacklevel=3)
    return FeatureRows(rows.features, {**rows.columns, **columns}, rows.class_names)
