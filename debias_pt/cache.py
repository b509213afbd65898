"""The feature cache: one folder per backbone fingerprint, rows found by the content of the image.

A row is filed under the SHA-256 of the image file, so a changed image is encoded anew, a moved or
renamed one is found again, and the first file written proves nothing about the others. Rows are
written in shards that appear whole or not at all; a killed run goes on behind its last shard.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.cached_rows import KEY, CachedRows, raw_keys
from debias_pt.files import locked, make_folder, read_arrays, write_arrays, write_json
from debias_pt.fingerprint import digest, require_match


def default_cache_dir() -> Path:
    """Return ``$DEBIAS_PT_CACHE``, or ``debias-pt`` in the user's cache folder."""
    chosen = os.environ.get("DEBIAS_PT_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "debias-pt"


class FeatureCache:
    """Features of images, shared by data sets, runs and processes.

    Parameters
    ----------
    cache_dir : Path
        Where all caches stand.
    fingerprint : mapping
        Of the backbone; see :class:`debias_pt.backbone.Backbone`.

    Examples
    --------
    >>> import tempfile
    >>> cache = FeatureCache(Path(tempfile.mkdtemp()), {"model": "tiny"})
    >>> key = "00" * 32
    >>> cache.add([key], np.ones((1, 4), dtype=np.float32))
    >>> cache.read().gather([key])
    array([[1., 1., 1., 1.]], dtype=float32)
    """

    def __init__(self, cache_dir: Path, fingerprint: Mapping[str, Any]) -> None:
        self.fingerprint = dict(fingerprint)
        self.folder = cache_dir / "features" / digest(self.fingerprint)[:16]

    def read(self) -> CachedRows:
        """Return which rows there are; their features are read when they are gathered.

        Raises
        ------
        FingerprintError
            If a shard is damaged, or was written for another backbone.
        """
        shards = sorted(self.folder.glob("*.safetensors"))
        keys, dim = [], 0
        for shard in shards:
            arrays, meta = read_arrays(shard, ["keys"])
            require_match(meta, self.fingerprint, str(shard), "delete this file and encode again")
            keys.append(np.ascontiguousarray(arrays["keys"]).view(KEY)[:, 0])
        if shards:
            dim = read_arrays(shards[0], ["features"])[0]["features"].shape[1]
        return CachedRows.of(keys, shards, dim)

    def add(self, keys: list[str], features: NDArray[np.float32]) -> None:
        """Write one shard: n hexadecimal SHA-256 keys and their features ``(n, D)``.

        Raises
        ------
        OutputError
            If the folder cannot be written to.
        """
        make_folder(self.folder)
        if not (self.folder / "fingerprint.json").exists():
            write_json(self.folder / "fingerprint.json", self.fingerprint)
        raw = raw_keys(keys).view(np.uint8).reshape(len(keys), 32)
        shard: dict[str, NDArray[Any]] = {"keys": raw, "features": features}
        write_arrays(self.folder / f"{digest(keys)[:16]}.safetensors", shard, self.fingerprint)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the cache for writing; a second process waits and says so.

        Raises
        ------
        OutputError
            If the folder cannot be written to.
        """
        folder = make_folder(self.folder)
        waiting = f"waiting: another process is encoding into {folder}"
        with locked(folder, lambda: print(waiting, file=sys.stderr), "--cache-dir"):
            yield
