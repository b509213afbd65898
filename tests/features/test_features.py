"""Promises: a feature table refuses what is not aligned, not unique, not finite or not unit length."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from debias_pt.errors import DatasetError, NonFiniteError, UsageError
from tests.helpers.tiny_data import gaussian_table

TABLE = gaussian_table()


def test_splits_keep_rows_aligned() -> None:
    for split in ("train", "val", "test"):
        part = TABLE.where(split)
        rows = [TABLE.ids.index(name) for name in part.ids]
        assert (part.features == TABLE.features[rows]).all()
        assert (part.y == TABLE.y[rows]).all()
        assert (part.attributes["background"].labels == TABLE.attributes["background"].labels[rows]).all()


def test_nan_is_named_by_row() -> None:
    features = TABLE.features.copy()
    features[7, 3] = np.nan
    with pytest.raises(NonFiniteError, match="1 of .* hold NaN or infinity, first 'row7'"):
        replace(TABLE, features=features)


def test_misaligned_repeated_and_out_of_range_are_refused() -> None:
    with pytest.raises(DatasetError, match=r"rows of y for .* ids"):
        replace(TABLE, y=TABLE.y[1:])
    with pytest.raises(DatasetError, match="'row0' appears in two rows"):
        replace(TABLE, ids=("row0", "row0", *TABLE.ids[2:]))
    with pytest.raises(DatasetError, match="labels go from 0 to 1 for 1 classes"):
        replace(TABLE, class_names=("bird",))
    with pytest.raises(DatasetError, match="unknown split 'dev'"):
        replace(TABLE, split=np.where(TABLE.split == "val", "dev", TABLE.split))
    with pytest.raises(UsageError, match="have length 2, not 1"):
        replace(TABLE, features=TABLE.features * 2)


def test_an_empty_split_is_named() -> None:
    with pytest.raises(UsageError, match="has no 'val' rows; it has test, train"):
        replace(TABLE, split=np.where(TABLE.split == "val", "train", TABLE.split)).where("val")


def test_data_fingerprint_sees_rows_labels_and_splits() -> None:
    first = TABLE.data_fingerprint()
    flipped = TABLE.y.copy()
    flipped[0] = 1 - flipped[0]
    assert replace(TABLE, y=flipped).data_fingerprint() != first
    assert gaussian_table(seed=1).data_fingerprint() != first
    hashed = replace(TABLE, image_hashes=tuple("a" * len(TABLE)))
    assert replace(hashed, features=gaussian_table(seed=1).features).data_fingerprint() == hashed.data_fingerprint()
    changed = replace(TABLE, image_hashes=("b", *hashed.image_hashes[1:]))
    assert changed.data_fingerprint() != hashed.data_fingerprint()
    assert len(hashed.where("val").image_hashes) == len(hashed.where("val"))


def test_other_number_types_are_taken() -> None:
    table = replace(TABLE, features=TABLE.features.astype(np.float64), y=TABLE.y.astype(np.int32))
    assert (table.features.dtype, table.y.dtype) == (np.float32, np.int64)
