"""Merging feature caches: those of several machines, or many small shards into few large ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from debias_pt.errors import FingerprintError, UsageError
from debias_pt.features.cache import FeatureCache
from debias_pt.utils.files import read_arrays
from debias_pt.utils.fingerprint import digest

SHARD_ROWS = 1 << 16  # 128 MiB of 512 numbers each: the index of a large cache is read shard by shard


def merge_caches(target: Path, sources: Sequence[Path]) -> dict[str, int]:
    """Copy into a cache the features that others hold and it does not, of every model.

    Parameters
    ----------
    target : Path
        A cache folder; made if it is missing. What it holds stays as it is.
    sources : sequence of Path
        Cache folders; they are only read.

    Returns
    -------
    dict of str to int
        ``models`` found in the sources, ``images`` read there, ``added`` to the target.

    Raises
    ------
    UsageError
        If a source is no cache.
    FingerprintError
        If a shard is damaged, or does not belong to its folder's model; what was copied before stays.

    Examples
    --------
    >>> import tempfile
    >>> one, two = (Path(tempfile.mkdtemp()) for _ in range(2))
    >>> FeatureCache(one, {"model": "tiny"}).add(["00" * 32], np.ones((1, 4), dtype=np.float32))
    >>> merge_caches(two, [one])
    {'models': 1, 'images': 1, 'added': 1}
    >>> merge_caches(two, [one])["added"]
    0
    """
    for source in sources:
        if not (source / "features").is_dir():
            raise UsageError(f"{source}: no cache of features here (no folder 'features'); give a cache folder")
        if source.resolve() == target.resolve():
            raise UsageError(f"{source}: is the cache to merge into; give other ones")
    folders = [folder for source in sources for folder in sorted((source / "features").iterdir()) if folder.is_dir()]
    images = added = 0
    for folder in folders:
        fingerprint = _fingerprint(folder)
        if fingerprint is None:
            continue
        found, new = _merge(FeatureCache(target, fingerprint), FeatureCache(folder.parents[1], fingerprint))
        images, added = images + found, added + new
    return {"models": len({folder.name for folder in folders}), "images": images, "added": added}


def _fingerprint(folder: Path) -> dict[str, Any] | None:
    """Return the model's fingerprint that a folder's shards carry; None if there is no shard."""
    shard = next(iter(sorted(folder.glob("*.safetensors"))), None)
    if shard is None:
        return None
    fingerprint = read_arrays(shard, [])[1]
    if digest(fingerprint)[:16] != folder.name:
        raise FingerprintError(f"{shard}: belongs to another model than its folder; move it away and run again")
    return fingerprint


def _merge(target: FeatureCache, source: FeatureCache) -> tuple[int, int]:
    rows, known = source.read(), target.read()
    missing = known.missing([key.hex() for key in np.unique(rows.keys).view("V32").tolist()])
    for first in range(0, len(missing), SHARD_ROWS):
        keys = missing[first : first + SHARD_ROWS]
        target.add(keys, rows.gather(keys))
    return len(np.unique(rows.keys)), len(missing)
