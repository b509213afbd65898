"""Promises: a feature table keeps its rows together and refuses what is not aligned, unique, finite or of unit length;
its fingerprint changes with labels and content."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from debias_pt.datasets.attributes import TrueAttribute
from debias_pt.errors import DatasetError, FingerprintError, NonFiniteError, UsageError
from debias_pt.features.table import FeatureTable, join_tables, table_from_arrays
from tests.helpers.tiny_data import gaussian_table

TABLE = gaussian_table()
MODEL = {"model": "tiny"}
KEYS = [f"{i:02x}" * 32 for i in range(5)]


def test_splits_keep_rows_aligned() -> None:
    for split in ("train", "val", "test"):
        part = TABLE.where(split)
        rows = [TABLE.ids.index(name) for name in part.ids]
        assert (part.features == TABLE.features[rows]).all()
        assert (part.y == TABLE.y[rows]).all()
        assert (part.attributes["background"].labels == TABLE.attributes["background"].labels[rows]).all()


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


def table(**changed: Any) -> FeatureTable:
    given: dict[str, Any] = {
        "ids": ("a", "b", "c", "d"), "features": np.eye(4), "y": [0, 1, 1, 0],
        "split": np.array(["val", "train", "train", "test"]), "class_names": ("cat", "dog"),
        "attributes": {"place": TrueAttribute(("in", "out"), np.array([0, 1, 1, 0]))}, "name": "pets",
        "fingerprint": MODEL, "image_hashes": tuple(KEYS[:4]),
    }  # fmt: skip
    return FeatureTable(**{**given, **changed})


def test_rows_keep_what_belongs_to_them() -> None:
    some = table().rows(np.array([2, 0]))
    assert (some.ids, some.y.tolist(), some.split.tolist()) == (("c", "a"), [1, 0], ["train", "val"])
    assert some.features.tolist() == np.eye(4)[[2, 0]].tolist()
    assert some.image_hashes == (KEYS[2], KEYS[0])
    assert some.attributes["place"].labels.tolist() == [1, 0]
    assert table().where("train").ids == ("b", "c")
    assert table().trained_on(np.array([2])).ids == ("c", "a", "d")
    assert table().rows_of(["d", "b"]).tolist() == [3, 1]
    assert table(image_hashes=()).rows(np.array([1])).image_hashes == ()
    assert len(table()) == 4
    assert table().features.dtype == np.float32
    with pytest.raises(UsageError, match="pets has no 'val' rows; it has test, train"):
        table().rows(np.array([1, 3])).where("val")
    with pytest.raises(DatasetError, match="2 of 3 images are not in this table, first 'x'"):
        table().rows_of(["a", "x", "y"])


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"features": np.eye(5)[:, :4] + np.eye(5)[:, 1:]}, DatasetError, "5 rows of features for 4 ids"),
        ({"y": [0, 1]}, DatasetError, "2 rows of y for 4 ids"),
        ({"split": np.array(["train"])}, DatasetError, "1 rows of split for 4 ids"),
        ({"attributes": {"sky": TrueAttribute(("a",), np.array([0]))}}, DatasetError, "1 rows of attribute sky for 4"),
        ({"ids": ("a", "b", "b", "a")}, DatasetError, "the id 'a' appears in two rows"),
        ({"y": [0, 1, 2, 0]}, DatasetError, "labels go from 0 to 2 for 2 classes"),
        ({"y": [0, 1, -1, 0]}, DatasetError, "labels go from -1 to 1 for 2 classes"),
        ({"split": np.array(["val", "dev", "train", "holdout"])}, DatasetError, "unknown split 'dev'; use train, val"),
        ({"features": np.diag([1, np.nan, np.inf, 1])}, NonFiniteError, "2 of 4 feature rows hold .* first 'b'"),
        ({"features": np.diag([1, 1.005, 1.02, 0.97])}, UsageError, "features of 'd' have length 0.97, not 1"),
    ],
)
def test_what_is_no_table_is_refused(changed: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        table(**changed)


def test_lengths_may_be_off_by_a_hundredth_and_a_table_may_be_empty() -> None:
    table(features=np.diag([1, 1.009, 0.991, 1]))
    nothing = FeatureTable((), np.zeros((0, 3)), np.zeros(0), np.array([], dtype=str), ("a",))
    assert len(nothing) == 0


def test_the_fingerprint_changes_with_labels_and_content() -> None:
    before = table().data_fingerprint()
    assert (before["name"], before["rows"]) == ("pets", 4)
    changes: list[dict[str, Any]] = [
        {"y": [1, 1, 1, 0]}, {"ids": ("a", "b", "c", "e")}, {"class_names": ("cat", "cow")},
        {"split": np.array(["val", "train", "train", "val"])},
    ]  # fmt: skip
    for changed in changes:
        found = table(**changed).data_fingerprint()
        assert found["labels"] != before["labels"]
        assert found["content"] == before["content"]
    assert table(image_hashes=tuple(KEYS[1:])).data_fingerprint()["content"] != before["content"]
    without = [table(image_hashes=(), features=np.eye(4)[order]) for order in ([0, 1, 2, 3], [1, 0, 2, 3])]
    one, two = (one.data_fingerprint() for one in without)
    assert one["labels"] == two["labels"] == before["labels"]
    assert one["content"] != two["content"]
    assert without[0]._features_hash() == hashlib.sha256(np.eye(4, dtype=np.float32).tobytes()).hexdigest()


def test_arrays_are_scaled_and_split() -> None:
    found = table_from_arrays([[3.0, 4], [0, -2]], [1, 0], ["a", "b"], split=["val", "train"], ids="xy", name="n")
    assert found.features.tolist() == pytest.approx(np.array([[0.6, 0.8], [0, -1]]))
    assert (found.ids, found.y.tolist(), found.split.tolist(), found.name) == (
        ("x", "y"),
        [1, 0],
        ["val", "train"],
        "n",
    )
    plain = table_from_arrays(np.eye(2), [0, 1], ["a", "b"], split="test", attributes={"sky": ["u", "t"]})
    assert (plain.ids, plain.split.tolist()) == (("0", "1"), ["test", "test"])
    assert plain.attributes["sky"].values == ("t", "u")
    assert plain.attributes["sky"].labels.tolist() == [1, 0]
    with pytest.raises(UsageError, match="row 1 of the features is all 0"):
        table_from_arrays([[1.0, 0], [0, 0]], [0, 1], ["a", "b"], split="train")


def test_tables_are_joined_in_order() -> None:
    one = table()
    two = replace(
        one, ids=("e", "f", "g", "h"), attributes={"place": TrueAttribute(("out", "sea"), np.array([0, 1, 0, 0]))}
    )
    both = join_tables([one, two])
    assert both.ids == tuple("abcdefgh")
    assert both.y.tolist() == [0, 1, 1, 0] * 2
    assert both.attributes["place"].words == ["in", "out", "out", "in", "out", "sea", "out", "out"]
    assert len(both.image_hashes) == len(both.features) == len(both.split) == 8
    for other, error, message in (
        (replace(two, class_names=("cat", "cow")), UsageError, "tables to join have classes"),
        (replace(two, attributes={}), UsageError, "tables to join have attributes"),
        (replace(two, fingerprint={"model": "x"}), FingerprintError, "encode all with one model"),
    ):
        with pytest.raises(error, match=message):
            join_tables([one, other])
