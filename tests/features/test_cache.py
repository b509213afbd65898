"""Promises: a cache holds rows by the content of their images, per model; its shards are called by their keys, and
blocks are claimed once."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from debias_pt.features.cache import CachedRows, FeatureCache, _sorting, raw_keys
from debias_pt.features.claims import Block, Claims

MODEL = {"model": "tiny"}
KEYS = [f"{i:02x}" * 32 for i in range(5)]


def rows(first: float) -> np.ndarray:
    return np.arange(8, dtype=np.float32).reshape(2, 4) + np.float32(first)


def test_another_model_has_another_folder(tmp_path: Path) -> None:
    one, two = (FeatureCache(tmp_path, {"model": name}) for name in "ab")
    one.add(KEYS[:2], rows(0))
    assert two.read().missing(KEYS[:1]) == KEYS[:1]
    assert len(one.folder.name) == 16
    assert one.folder.parent == tmp_path / "features"
    assert (one.folder / "fingerprint.json").is_file()


def test_rows_are_indexed_by_shard_and_place() -> None:
    keys = [KEYS[i] for i in (3, 1, 4, 0)]
    parts = [raw_keys(keys[:3]), raw_keys(keys[3:])]
    held = CachedRows.of(parts, [Path("a"), Path("b")], 4)
    assert held.keys.tolist() == sorted(raw_keys(keys).tolist())
    assert held.shard.tolist() == [1, 0, 0, 0]
    assert held.row.tolist() == [0, 1, 0, 2]


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
