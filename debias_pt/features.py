"""The feature table: everything that fitting ever sees of the images."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.errors import DatasetError, NonFiniteError, UsageError
from debias_pt.fingerprint import digest

SPLITS = ("train", "val", "test")
ROWS_AT_A_TIME = 8192


def require_split(name: str) -> None:
    """Refuse the name of a split that there cannot be."""
    if name not in SPLITS:
        raise UsageError(f"split is {name!r}; {', '.join(SPLITS)} expected")


@dataclass(frozen=True)
class TrueAttribute:
    """An annotated attribute of every image, where a data set has one.

    Parameters
    ----------
    values : tuple of str
        Names of the values, in the order of their numbers.
    labels : ndarray of int, shape (N,)
        The value of each image.
    """

    values: tuple[str, ...]
    labels: NDArray[np.int64]

    @classmethod
    def of(cls, words: Sequence[str]) -> TrueAttribute:
        """Return an attribute whose value is given in words for each image.

        Examples
        --------
        >>> TrueAttribute.of(["water", "land", "water"])
        TrueAttribute(values=('land', 'water'), labels=array([1, 0, 1]))
        """
        values = in_order(words)
        number = {value: a for a, value in enumerate(values)}
        return cls(values, np.array([number[word] for word in words], dtype=np.int64))

    def rows(self, index: NDArray[np.int64]) -> TrueAttribute:
        """Return the annotation of these images only, in this order."""
        return TrueAttribute(self.values, self.labels[index])

    @property
    def words(self) -> list[str]:
        """The value of each image, in words."""
        return [self.values[label] for label in self.labels]


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Return the distinct names, numbers by their value and words by the alphabet.

    Examples
    --------
    >>> in_order(["10", "9", "9"]), in_order(["dog", "cat"])
    (('9', '10'), ('cat', 'dog'))
    """
    distinct = set(names)
    return tuple(sorted(distinct, key=float) if all(map(is_number, distinct)) else sorted(distinct))


def is_number(word: str) -> bool:
    """Return whether a word is a number, which means nothing in a prompt.

    Examples
    --------
    >>> is_number("-1.0"), is_number("nan")
    (True, False)
    """
    return re.fullmatch(r"[-+]?\d+(\.\d*)?", word) is not None


def is_mapped(array: object) -> bool:
    """Return whether an array is mapped from a file, or a view of such a one: too large to be copied lightly."""
    return isinstance(array, np.memmap) or (isinstance(array, np.ndarray) and is_mapped(array.base))


@dataclass(frozen=True)
class FeatureTable:
    """Unit features of N images, with what is known of each.

    Parameters
    ----------
    ids : tuple of str
        One per row, unique: the image's path inside its data set.
    features : ndarray of float32, shape (N, D)
        Rows of unit length.
    y : ndarray of int, shape (N,)
        Class labels, 0 to K - 1.
    split : ndarray of str, shape (N,)
        ``"train"``, ``"val"`` or ``"test"``.
    class_names : tuple of str
        K names, as they stand in prompts.
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
        object.__setattr__(self, "features", np.asarray(self.features, dtype=np.float32))
        object.__setattr__(self, "y", np.asarray(self.y, dtype=np.int64))
        lengths = {"features": len(self.features), "y": len(self.y), "split": len(self.split)}
        lengths |= {f"attribute {name}": len(true.labels) for name, true in self.attributes.items()}
        for column, rows in lengths.items():
            if rows != n:
                raise DatasetError(f"{self.name}: {rows} rows of {column} for {n} ids; they must be aligned")
        if len(set(self.ids)) != n:
            repeated = next(name for name in self.ids if self.ids.count(name) > 1)
            raise DatasetError(f"{self.name}: the id {repeated!r} stands in two rows; ids must be unique")
        if n and (self.y.min() < 0 or self.y.max() >= len(self.class_names)):
            raise DatasetError(
                f"{self.name}: labels go from {self.y.min()} to {self.y.max()} for {len(self.class_names)} classes; "
                "they must be 0 to K - 1"
            )
        unknown = set(self.split.tolist()) - set(SPLITS)
        if unknown:
            raise DatasetError(f"{self.name}: unknown split {sorted(unknown)[0]!r}; use {', '.join(SPLITS)}")
        self._require_unit()

    def _require_unit(self) -> None:
        length = np.empty(len(self), dtype=np.float64)
        for first in range(0, len(self), ROWS_AT_A_TIME):  # no copy of a table that is mapped, not read
            part = self.features[first : first + ROWS_AT_A_TIME]
            length[first : first + len(part)] = np.sqrt(np.einsum("nd,nd->n", part, part, dtype=np.float64))
        finite = np.isfinite(length)
        if not finite.all():
            bad = self.ids[int(np.argmin(finite))]
            raise NonFiniteError(
                f"{self.name}: {int((~finite).sum())} of {len(self)} feature rows hold NaN or infinity, first {bad!r}; "
                "encode again, in fp32 if it was another precision"
            )
        if len(self) and abs(length - 1).max() > 1e-2:
            worst = int(abs(length - 1).argmax())
            raise UsageError(
                f"{self.name}: features of {self.ids[worst]!r} have length {length[worst]:.3g}, not 1; normalise them"
            )

    def __len__(self) -> int:
        return len(self.ids)

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
        together = is_mapped(self.features) and len(index) > 0 and bool((np.diff(index) == 1).all())
        place = slice(index[0], index[-1] + 1) if together else index  # a mapped file's neighbours stay in it
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
        """Return these rows, and behind them all that are not ``train`` rows."""
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
        """Return what a run's result depends on: the rows' number, and hashes of their labels and content.

        The content is that of the image files, or of the features where there are no files.
        """
        labels = [self.ids, self.y.tolist(), self.split.tolist(), self.class_names]
        content = self.image_hashes or hashlib.sha256(self.features.tobytes()).hexdigest()
        return {"name": self.name, "rows": len(self), "labels": digest(labels), "content": digest(content)}
