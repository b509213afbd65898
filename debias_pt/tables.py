"""Feature tables from what is at hand in Python: ready arrays, and tables joined to one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from debias_pt.errors import UsageError
from debias_pt.features import FeatureTable, TrueAttribute
from debias_pt.fingerprint import require_match
from debias_pt.listings.drawing import Shares, complete


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
        Of any length above 0; rows are scaled to length 1.
    y : array of int, shape (N,)
        Class labels, 0 to K - 1.
    class_names : sequence of str
        K names.
    split : str or sequence of str, optional
        One for all or one per row; default drawn by `shares`, stratified by class.
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
    rows, labels = np.asarray(features, dtype=np.float32), np.asarray(y, dtype=np.int64)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    if (length == 0).any():
        raise UsageError(f"row {int(np.argmin(length))} of the features is all 0; it has no direction")
    names = [str(i) for i in range(len(rows))] if ids is None else list(ids)
    given = [split] * len(rows) if isinstance(split, str) else split
    parts = np.array(given) if given is not None else complete(names, labels, None, shares or Shares())[0]
    true = {name: TrueAttribute.of(words) for name, words in (attributes or {}).items()}
    return FeatureTable(tuple(names), rows / length, labels, parts, tuple(class_names), true, **known)


def join_tables(tables: Sequence[FeatureTable]) -> FeatureTable:
    """Put the rows of several tables into one: training, validation and test sets read apart, for one.

    Parameters
    ----------
    tables : sequence of FeatureTable
        Of the same classes, attributes and model; ids unique over all.

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
