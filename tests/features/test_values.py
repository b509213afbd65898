"""Promises: what a cache of features holds, by small cases."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from debias_pt.features.cache import CachedRows, FeatureCache, raw_keys

KEYS = [f"{i:02x}" * 32 for i in (7, 3, 9, 1)]


def rows(first: float) -> np.ndarray:
    return np.arange(8, dtype=np.float32).reshape(2, 4) + np.float32(first)


def test_rows_of_two_shards_come_in_the_order_asked_for(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, {"model": "tiny"})
    cache.add(KEYS[:2], rows(0))
    cache.add(KEYS[2:], rows(100))
    held = cache.read()
    assert (len(held), held.dim, len(held.shards)) == (4, 4, 2)
    found = held.gather([KEYS[3], KEYS[0], KEYS[2], KEYS[0]])
    assert found[:, 0].tolist() == [104, 0, 100, 0]
    assert held.missing(["", KEYS[1], "ab" * 32, "ab" * 32, "ff" * 32]) == ["ab" * 32, "ff" * 32]
    with pytest.raises(KeyError, match="abab"):
        held.gather([KEYS[0], "ab" * 32, "ff" * 32])
    assert (tmp_path / "features").is_dir()
    assert (cache.folder / "fingerprint.json").is_file()


def test_another_model_has_another_folder(tmp_path: Path) -> None:
    one, two = (FeatureCache(tmp_path, {"model": name}) for name in "ab")
    one.add(KEYS[:2], rows(0))
    assert two.read().missing(KEYS[:1]) == KEYS[:1]
    assert len(one.folder.name) == 16


def test_rows_are_indexed_by_shard_and_place() -> None:
    parts = [raw_keys(KEYS[:3]), raw_keys(KEYS[3:])]
    held = CachedRows.of(parts, [Path("a"), Path("b")], 4)
    assert held.keys.tolist() == sorted(raw_keys(KEYS).tolist())
    assert held.shard.tolist() == [1, 0, 0, 0]
    assert held.row.tolist() == [0, 1, 0, 2]
