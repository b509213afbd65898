"""Promises: the features of a large table are mapped from one file and equal the cached rows; the file is written once,
whole, for exactly these images; the table takes no memory of its own and old shards stay readable."""

from __future__ import annotations

import hashlib
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from debias_pt.features import cache as mapped
from debias_pt.features.cache import CachedRows, FeatureCache, table_features
from debias_pt.features.table import FeatureTable
from debias_pt.utils import row_blocks
from debias_pt.utils.files import write_tensors
from tests.helpers.cached_rows import keys_of, unit

FINGERPRINT = {"model": "none"}


def filled(folder: Path, n: int, d: int, shard: int) -> tuple[FeatureCache, list[str], NDArray[np.float32]]:
    cache, keys, rows = FeatureCache(folder, FINGERPRINT), keys_of(n), unit(n, d)
    for first in range(0, n, shard):
        cache.add(keys[first : first + shard], rows[first : first + shard])
    return cache, keys, rows


def test_rows_are_found_by_key_in_any_order(tmp_path: Path) -> None:
    cache, keys, rows = filled(tmp_path, 50, 6, 7)
    order = np.random.default_rng(1).integers(50, size=80)  # some twice
    found = cache.read()
    assert len(found) == 50
    assert (found.gather([keys[i] for i in order]) == rows[order]).all()
    strange = hashlib.sha256(b"strange").hexdigest()
    assert found.missing([strange, "", keys[3], strange]) == [strange]
    with pytest.raises(KeyError, match=strange):
        found.gather([keys[0], strange])


def test_keys_that_end_in_zero_bytes_are_told_apart(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, FINGERPRINT)
    keys = ["ab" * 31 + "00", "ab" * 30 + "0000", "00" * 32]
    cache.add(keys, np.eye(3, dtype=np.float32))
    assert (cache.read().gather(keys[::-1]) == np.eye(3)[::-1]).all()


def test_an_empty_cache_misses_everything(tmp_path: Path) -> None:
    found = FeatureCache(tmp_path, FINGERPRINT).read()
    assert len(found) == 0
    assert found.missing(keys_of(2)) == keys_of(2)


def test_shards_of_earlier_versions_are_read(tmp_path: Path) -> None:
    """They were written through torch, with the same names."""
    cache, keys, rows = FeatureCache(tmp_path, FINGERPRINT), keys_of(4), unit(4, 3)
    cache.folder.mkdir(parents=True)
    raw = torch.from_numpy(np.frombuffer(bytes.fromhex("".join(keys)), dtype=np.uint8).reshape(4, 32).copy())
    write_tensors(
        cache.folder / "old.safetensors", {"keys": raw, "features": torch.from_numpy(rows)}, cache.fingerprint
    )
    assert (cache.read().gather(keys) == rows).all()


def test_a_large_table_is_mapped_and_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, keys, rows = filled(tmp_path, 90, 6, 16)
    monkeypatch.setattr(mapped, "MAPPED_BYTES", 0)
    monkeypatch.setattr(row_blocks, "ROWS_AT_A_TIME", 25)
    order = np.random.default_rng(2).permutation(90)
    wanted = [keys[i] for i in order]
    first = mapped.table_features(cache.read(), wanted, cache.folder, "birds")
    assert isinstance(first, np.memmap)
    assert (first == rows[order]).all()
    first[0] = 0  # of this process alone
    monkeypatch.setattr(CachedRows, "gather", None)
    again = mapped.table_features(cache.read(), wanted, cache.folder, "birds")
    assert (again == rows[order]).all()


def test_other_images_take_the_file_s_place_and_a_damaged_one_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, keys, rows = filled(tmp_path, 20, 6, 16)
    monkeypatch.setattr(mapped, "MAPPED_BYTES", 0)

    def files() -> set[Path]:
        return set((cache.folder / "tables").iterdir())

    mapped.table_features(cache.read(), keys, cache.folder, "birds")
    before = files()
    mapped.table_features(cache.read(), keys[:5], cache.folder, "fish")
    assert before < files()
    mapped.table_features(cache.read(), keys[:10], cache.folder, "birds")
    assert len(files()) == 2
    assert not before & files()
    for path in files():
        path.write_bytes(path.read_bytes()[:-8])
    assert (mapped.table_features(cache.read(), keys[:10], cache.folder, "birds") == rows[:10]).all()


def test_a_mapped_table_is_checked_and_split_without_being_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    n, d = 8000, 256
    cache, keys, rows = filled(tmp_path, n, d, 500)
    monkeypatch.setattr(mapped, "MAPPED_BYTES", 0)
    monkeypatch.setattr(row_blocks, "ROWS_AT_A_TIME", 500)
    ids = tuple(map(str, range(n)))
    split = np.repeat(["train", "val", "test"], [n - 2000, 1000, 1000])
    tracemalloc.start()
    features = mapped.table_features(cache.read(), keys, cache.folder, "birds")
    table = FeatureTable(ids=ids, features=features, y=np.zeros(n), split=split, class_names=("bird",))
    train = table.where("train")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < rows.nbytes / 2
    assert np.shares_memory(train.features, table.features)
    assert (train.features == rows[: n - 2000]).all()


def test_which_tables_are_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four rows of four numbers are 64 bytes: at the limit they are read, above it they are mapped."""
    cache = FeatureCache(tmp_path, FINGERPRINT)
    keys, rows = keys_of(4), np.arange(16, dtype=np.float32).reshape(4, 4)
    cache.add(keys, rows)
    held = cache.read()
    monkeypatch.setattr(mapped, "MAPPED_BYTES", 64)
    assert not isinstance(table_features(held, keys, cache.folder, "x"), np.memmap)
    monkeypatch.setattr(mapped, "MAPPED_BYTES", 63)
    found = table_features(held, keys[::-1], cache.folder, "x")
    assert isinstance(found, np.memmap)
    assert found.tolist() == rows[::-1].tolist()
    (file,) = (cache.folder / "tables").iterdir()
    assert [len(part) for part in file.stem.split("-")] == [16, 32]
    saved = np.load(file)
    assert (saved.dtype, saved.shape) == (np.float32, (4, 4))
    np.save(file, rows.astype(np.float64))  # of another type: written anew
    assert table_features(held, keys[::-1], cache.folder, "x").tolist() == rows[::-1].tolist()
    assert mapped.MAPPED_BYTES == 63
