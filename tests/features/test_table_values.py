"""Promises: what a table of features takes, keeps and refuses, and who encodes which block, by small cases."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from debias_pt.datasets.attributes import TrueAttribute
from debias_pt.errors import DatasetError, FingerprintError, NonFiniteError, UsageError
from debias_pt.features import cache as cache_module
from debias_pt.features.cache import CachedRows, FeatureCache, _sorting, raw_keys, table_features
from debias_pt.features.claims import Block, Claims
from debias_pt.features.table import FeatureTable, join_tables, lengths, table_from_arrays

MODEL = {"model": "tiny"}
KEYS = [f"{i:02x}" * 32 for i in range(5)]


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


def test_lengths_beyond_single_precision() -> None:
    rows = np.array([[3e25, 4e25], [3e-25, 4e-25], [3, 4], [0, 0]], dtype=np.float32)
    assert lengths(rows) == pytest.approx([5e25, 5e-25, 5, 0], rel=1e-6)


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


def test_keys_are_sorted_by_all_their_bytes() -> None:
    """By the first 8 where these differ; two that begin alike are sorted by the rest."""
    apart = raw_keys([KEYS[3], KEYS[1], KEYS[2]])
    assert _sorting(apart).tolist() == [1, 2, 0]
    alike = raw_keys(["00" * 31 + "03", "00" * 31 + "01", "01" * 32])
    assert _sorting(alike).tolist() == [1, 0, 2]
    high = raw_keys(["ff" * 32, "7f" * 32])
    assert _sorting(high).tolist() == [1, 0]
    held = CachedRows.of([alike[:1], alike[1:]], [Path("a"), Path("b")], 3)
    assert (held.shard.tolist(), held.row.tolist(), held.dim, len(held)) == ([1, 0, 1], [0, 0, 1], 3, 3)
    assert held.missing(["", "00" * 31 + "03", "00" * 31 + "02", "ff" * 32]) == ["00" * 31 + "02", "ff" * 32]


def test_which_tables_are_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four rows of four numbers are 64 bytes: at the limit they are read, above it they are mapped."""
    cache = FeatureCache(tmp_path, MODEL)
    rows = np.arange(16, dtype=np.float32).reshape(4, 4)
    cache.add(KEYS[:4], rows)
    held = cache.read()
    monkeypatch.setattr(cache_module, "MAPPED_BYTES", 64)
    assert not isinstance(table_features(held, KEYS[:4], cache.folder, "x"), np.memmap)
    monkeypatch.setattr(cache_module, "MAPPED_BYTES", 63)
    mapped = table_features(held, KEYS[3::-1], cache.folder, "x")
    assert isinstance(mapped, np.memmap)
    assert mapped.tolist() == rows[::-1].tolist()
    (file,) = (cache.folder / "tables").iterdir()
    assert [len(part) for part in file.stem.split("-")] == [16, 32]
    saved = np.load(file)
    assert (saved.dtype, saved.shape) == (np.float32, (4, 4))
    np.save(file, rows.astype(np.float64))  # of another type: written anew
    assert table_features(held, KEYS[3::-1], cache.folder, "x").tolist() == rows[::-1].tolist()
    assert cache_module.MAPPED_BYTES == 63


def test_a_shard_is_called_by_its_keys(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, MODEL)
    assert not cache.has_shard(KEYS[:2])
    cache.add(KEYS[:2], np.eye(2, dtype=np.float32))
    assert cache.has_shard(KEYS[:2])
    assert not cache.has_shard(KEYS[:1])
    assert not cache.has_shard(KEYS[1::-1])
    assert (cache.folder / f"{cache.shard_name(KEYS[:2])}.safetensors").is_file()
    assert len(cache.shard_name(KEYS[:2])) == 16


def test_blocks_are_claimed_once_and_given_back(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, MODEL)
    paths = list("abcde")
    one, two = (Claims(cache, KEYS, paths, 2) for _ in range(2))
    assert [block.paths for block in one.blocks] == [("a", "b"), ("c", "d"), ("e",)]
    assert one.blocks[2] == Block((KEYS[4],), ("e",))
    assert [len(block) for block in one.blocks] == [2, 2, 1]
    cache.add(KEYS[2:4], np.eye(2, dtype=np.float32))  # the second block is done
    with one:
        free = one.free()
        first = next(free)
        assert first.paths == ("a", "b")
        with two:
            assert [block.paths for block in two.free()] == [("e",)]
            assert [block.paths for block in two.busy] == [("a", "b")]
            one.release(first)
            assert [block.paths for block in two.others()] == [("a", "b")]
        assert [block.paths for block in free] == [("e",)]
    assert not list(cache.folder.glob(".*.lock"))
    assert one.busy == []
