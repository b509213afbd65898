"""Promises: merging copies what is missing and nothing twice, of every model; it changes no bit and no source; what is
no cache, and what belongs to another model, is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest

from debias_pt.errors import FingerprintError, UsageError
from debias_pt.features import merging
from debias_pt.features.cache import FeatureCache
from tests.helpers.cached_rows import keys_of, unit

TINY, OTHER = {"model": "tiny"}, {"model": "other"}


def test_two_machines_caches_become_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "SHARD_ROWS", 8)
    keys, rows = keys_of(30), unit(30, 5)
    for name, start, stop in (("a", 0, 20), ("b", 15, 30)):
        FeatureCache(tmp_path / name, TINY).add(keys[start:stop], rows[start:stop])
    FeatureCache(tmp_path / "b", OTHER).add(keys[:3], unit(3, 7))
    FeatureCache(tmp_path / "c", TINY).add(keys[:2], rows[:2])
    before = {path: path.read_bytes() for name in "ab" for path in (tmp_path / name).rglob("*.safetensors")}
    sources = [tmp_path / "a", tmp_path / "b"]
    assert merging.merge_caches(tmp_path / "c", sources) == {"models": 2, "images": 38, "added": 31}
    whole = FeatureCache(tmp_path / "c", TINY).read()
    assert len(whole) == 30
    assert (whole.gather(keys) == rows).all()
    assert (FeatureCache(tmp_path / "c", OTHER).read().gather(keys[:3]) == unit(3, 7)).all()
    assert merging.merge_caches(tmp_path / "c", sources)["added"] == 0
    assert before == {path: path.read_bytes() for path in before}
    assert np.array_equal(FeatureCache(tmp_path / "a", TINY).read().gather(keys[:20]), rows[:20])


def test_what_is_no_cache_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no cache of features here"):
        merging.merge_caches(tmp_path / "c", [tmp_path])
    FeatureCache(tmp_path, TINY).add(keys_of(1), unit(1, 5))
    with pytest.raises(UsageError, match="is the cache to merge into"):
        merging.merge_caches(tmp_path, [tmp_path])


def test_a_stray_shard_is_refused(tmp_path: Path) -> None:
    FeatureCache(tmp_path / "a", TINY).add(keys_of(1), unit(1, 5))
    other = FeatureCache(tmp_path / "a", OTHER)
    shutil.copytree(FeatureCache(tmp_path / "a", TINY).folder, other.folder)
    with pytest.raises(FingerprintError, match="belongs to another model than its folder"):
        merging.merge_caches(tmp_path / "b", [tmp_path / "a"])


def test_the_command(cli: Callable[..., CompletedProcess[str]], tmp_path: Path) -> None:
    FeatureCache(tmp_path / "a", TINY).add(keys_of(4), unit(4, 5))
    done = cli("cache", "merge", tmp_path / "b", tmp_path / "a")
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'b'}: 4 of 4 images added\n")
    done = cli("cache", "merge", tmp_path / "b", tmp_path / "nowhere")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
