"""The feature table: everything that fitting ever sees of the images."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from debias_pt.datasets.attributes import TrueAttribute
from debias_pt.datasets.base import described
from debias_pt.datasets.splits import SPLITS, Shares, complete
from debias_pt.errors import DatasetError, NonFiniteError, UsageError
from debias_pt.features.mapped import ROWS_AT_A_TIME, as_slice, is_mapped
from debias_pt.features.table_files import TableFiles
from debias_pt.utils.fingerprint import digest, require_match

TINY = 1e-20  # a squared length that single precision may have lost
UNIT = 1e-2  # how far the length of a feature row may be off 1


@dataclass(frozen=True, repr=False)
class FeatureTable(TableFiles):
    """Unit features of N images, with what is known of each.

    Parameters
    ----------
    ids : tuple of str
        One per row, unique: the image's path inside its data set.
    features : ndarray of float32, shape (N, D)
        Rows of unit length. Memory-mapped features stay in their file, and may be float16.
    y : ndarray of int, shape (N,)
        Class labels, 0 to K - 1.
    split : ndarray of str, shape (N,)
        ``"train"``, ``"val"`` or ``"test"``.
    class_names : tuple of str
        K names, as used in prompts.
    attributes : mapping of str to TrueAttribute
        Annotated attributes, where known. Used for reports and oracles only.
    name : str
        The data set's name.
    fingerprint : mapping
        Of the backbone that made the features.
    image_hashes : tuple of str
        SHA-256 of each image file, where the features come from files.
    template : str
        Zero-shot prompt of the data set, ``{}`` standing for the class name.

    Raises
    ------
    DatasetError
        If lengths differ, ids repeat, a label is out of range or a split has another name.
    NonFiniteError
        If a feature is NaN or infinite; names the row.

    Examples
    --------
    >>> table = FeatureTable(
    ...     ids=("a", "b"), features=np.eye(2, dtype=np.float32), y=np.array([0, 1]),
    ...     split=np.array(["train", "test"]), class_names=("cat", "dog"))
    >>> table.where("train").ids
    ('a',)
    """

    ids: tuple[str, ...]
    features: NDArray[np.float32]
    y: NDArray[np.int64]
    split: NDArray[np.str_]
    class_names: tuple[str, ...]
    attributes: Mapping[str, TrueAttribute] = field(default_factory=dict)
    name: str = "data"
    fingerprint: Mapping[str, Any] = field(default_factory=dict)
    image_hashes: tuple[str, ...] = ()
    template: str = "a photo of a {}."

    def __post_init__(self) -> None:
        n = len(self.ids)
        if not (is_mapped(self.features) and self.features.dtype == np.float16):
            object.__setattr__(self, "features", np.asarray(self.features, dtype=np.float32))
        object.__setattr__(self, "y", np.asarray(self.y, dtype=np.int64))
        lengths = {"features": len(self.features), "y": len(self.y), "split": len(self.split)}
        lengths |= {f"attribute {name}": len(true.labels) for name, true in self.attributes.items()}
        for column, rows in lengths.items():
            if rows != n:
                raise DatasetError(f"{self.name}: {rows} rows of {column} for {n} ids; they must be aligned")
        if len(set(self.ids)) != n:
            repeated = next(name for name in self.ids if self.ids.count(name) > 1)
            raise DatasetError(f"{self.name}: the id {repeated!r} appears in two rows; ids must be unique")
        if n and (self.y.min() < 0 or self.y.max() >= len(self.class_names)):
            raise DatasetError(
                f"{self.name}: labels go from {self.y.min()} to {self.y.max()} for {len(self.class_names)} classes; "
                "they must be 0 to K - 1"
            )
        unknown = self.split[~np.isin(self.split, SPLITS)]
        if len(unknown):
            raise DatasetError(f"{self.name}: unknown split {str(min(unknown))!r}; use {', '.join(SPLITS)}")
        self._require_unit()

    def _require_unit(self) -> None:
        length = lengths(self.features)
        finite = np.isfinite(length)
        if not finite.all():
            bad = self.ids[int(np.argmin(finite))]
            raise NonFiniteError(
                f"{self.name}: {int((~finite).sum())} of {len(self)} feature rows hold NaN or infinity, first {bad!r}; "
                "encode again, in fp32 if the precision was lower"
            )
        if len(self) and abs(length - 1).max() > UNIT:
            worst = int(abs(length - 1).argmax())
            raise UsageError(
                f"{self.name}: features of {self.ids[worst]!r} have length {length[worst]:.3g}, not 1; normalise them"
            )

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        """Name the table, its size, splits, classes and annotations: never its rows."""
        return described(self, f", {self.features.shape[-1]} features each")

    def where(self, split: str) -> FeatureTable:
        """Return the rows of one split, in their order.

        Raises
        ------
        UsageError
            If the split is empty or unknown.
        """
        rows = np.flatnonzero(self.split == split)
        if not len(rows):
            raise UsageError(f"{self.name} has no {split!r} rows; it has {', '.join(sorted(set(self.split.tolist())))}")
        return self.rows(rows)

    def rows(self, index: NDArray[np.int64]) -> FeatureTable:
        """Return these rows only, in this order."""
        place = as_slice(index) if is_mapped(self.features) else index  # adjacent rows of a mapped file stay a view
        return replace(
            self,
            ids=tuple(self.ids[row] for row in index),
            features=self.features[place],
            y=self.y[index],
            split=self.split[index],
            image_hashes=tuple(self.image_hashes[row] for row in index) if self.image_hashes else (),
            attributes={name: true.rows(index) for name, true in self.attributes.items()},
        )

    def trained_on(self, index: NDArray[np.int64]) -> FeatureTable:
        """Return these rows, followed by all rows that are not ``train``."""
        return self.rows(np.concatenate([index, np.flatnonzero(self.split != "train")]))

    def rows_of(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """Return the rows of these images, in their order.

        Raises
        ------
        DatasetError
            If one is not in the table.
        """
        place = {name: row for row, name in enumerate(self.ids)}
        absent = [name for name in ids if name not in place]
        if absent:
            raise DatasetError(
                f"{self.name}: {len(absent)} of {len(ids)} images are not in this table, first {absent[0]!r}; they "
                "were drawn from other data"
            )
        return np.array([place[name] for name in ids], dtype=np.int64)

    def data_fingerprint(self) -> dict[str, Any]:
        """Return what a run's result depends on: the number of rows, and hashes of their labels and content.

        The content is that of the image files, or of the features where there are no files.
        """
        labels = [self.ids, self.y.tolist(), self.split.tolist(), self.class_names]
        content = self.image_hashes or self._features_hash()
        return {"name": self.name, "rows": len(self), "labels": digest(labels), "content": digest(content)}

    def _features_hash(self) -> str:
        content = hashlib.sha256()
        for first in range(0, len(self), ROWS_AT_A_TIME):
            content.update(np.ascontiguousarray(self.features[first : first + ROWS_AT_A_TIME]).data)
        return content.hexdigest()


def lengths(features: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the length of each row ``(N,)``, in one pass that copies a block at a time.

    In single precision; a row whose square overflows is measured again in double.
    """
    found = np.empty(len(features), dtype=np.float64)
    for first in range(0, len(features), ROWS_AT_A_TIME):
        part = features[first : first + ROWS_AT_A_TIME].astype(np.float32, copy=False)
        with np.errstate(over="ignore"):
            squares = np.einsum("nd,nd->n", part, part).astype(np.float64)
        beyond = np.flatnonzero(~np.isfinite(squares) | (squares < TINY))
        squares[beyond] = np.square(part[beyond], dtype=np.float64).sum(axis=1)
        found[first : first + len(part)] = np.sqrt(squares)
    return found


def table_from_arrays(
    features: ArrayLike,
    y: ArrayLike,
    class_names: Sequence[str],
    *,
    split: str | Sequence[str] | None = None,
    attributes: Mapping[str, Sequence[str]] | None = None,
    ids: Sequence[str] | None = None,
    shares: Shares | None = None,
    **known: Any,
) -> FeatureTable:
    """Make a table of image features from any model.

    Parameters
    ----------
    features : array, shape (N, D)
        Of any length above 0; rows are scaled to length 1. A memory-mapped array of float16 or float32 whose rows
        have that length (within 1 %) is not copied.
    y : array of int, shape (N,)
        Class labels, 0 to K - 1.
    class_names : sequence of str
        K names.
    split : str or sequence of str, optional
        One for all or one per row; default drawn by `shares`, stratified by class and attributes.
    attributes : mapping of str to sequence of str, optional
        Annotated attributes, a value per row.
    ids : sequence of str, optional
        Unique names; default ``"0"``, ``"1"``, ...
    shares : Shares, optional
        How to draw splits that are not given.
    **known
        ``name``, ``fingerprint`` and ``image_hashes`` of the table, where known.

    Raises
    ------
    DatasetError
        If lengths differ, a label is out of range, or a split has another name.
    UsageError
        If a row of features has length 0.

    Examples
    --------
    >>> table = table_from_arrays(np.eye(8), [0, 0, 0, 0, 1, 1, 1, 1], ["cat", "dog"])
    >>> sorted(table.split.tolist())
    ['test', 'test', 'train', 'train', 'train', 'train', 'val', 'val']
    """
    unit, labels = _unit_rows(features), np.asarray(y, dtype=np.int64)
    names = [str(i) for i in range(len(unit))] if ids is None else list(ids)
    given = np.full(len(unit), split) if isinstance(split, str) else split
    true = {name: TrueAttribute.of(words) for name, words in (attributes or {}).items()}
    if given is None:
        parts, _ = complete(names, labels, None, shares or Shares(), {name: one.labels for name, one in true.items()})
    else:
        parts = np.array(given)
    return FeatureTable(tuple(names), unit, labels, parts, tuple(class_names), true, **known)


def _unit_rows(features: ArrayLike) -> NDArray[np.float32]:
    """Scale rows to length 1; a mapped array whose rows have it stays in its file."""
    given: NDArray[Any] = np.asanyarray(features)
    mapped = is_mapped(given) and given.dtype in (np.float16, np.float32)
    rows: NDArray[Any] = given if mapped else np.asarray(given, dtype=np.float32)
    length = lengths(rows)
    if (length == 0).any():
        raise UsageError(f"row {int(np.argmin(length))} of the features is all 0; it has no direction")
    if mapped and (abs(length - 1) < UNIT).all():
        return rows
    return np.asarray(rows / length[:, None].astype(np.float32), dtype=np.float32)


def join_tables(tables: Sequence[FeatureTable]) -> FeatureTable:
    """Join several tables into one, for example training, validation and test sets that were read separately.

    Parameters
    ----------
    tables : sequence of FeatureTable
        Of the same classes, attributes and model; ids unique across all.

    Raises
    ------
    UsageError
        If they do not belong together.
    """
    first = tables[0]
    for table in tables[1:]:
        require_match(table.fingerprint, first.fingerprint, f"features of {table.name}", "encode all with one model")
        for what, found, wanted in (
            ("classes", table.class_names, first.class_names),
            ("attributes", tuple(table.attributes), tuple(first.attributes)),
        ):
            if found != wanted:
                raise UsageError(f"tables to join have {what} {found} and {wanted}; the same expected")
    return replace(
        first,
        ids=tuple(name for table in tables for name in table.ids),
        features=np.concatenate([table.features for table in tables]),
        y=np.concatenate([table.y for table in tables]),
        split=np.concatenate([table.split for table in tables]),
        image_hashes=tuple(key for table in tables for key in table.image_hashes),
        attributes={
            name: TrueAttribute.of([word for table in tables for word in table.attributes[name].words])
            for name in first.attributes
        },
    )
