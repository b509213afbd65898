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
import torch
from numpy.typing import NDArray

from debias_pt.files import locked, make_folder, read_tensors, write_json, write_tensors
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
    >>> cache.read()[key]
    array([1., 1., 1., 1.], dtype=float32)
    """

    def __init__(self, cache_dir: Path, fingerprint: Mapping[str, Any]) -> None:
        self.fingerprint = dict(fingerprint)
        self.folder = cache_dir / "features" / digest(self.fingerprint)[:16]

    def read(self) -> dict[str, NDArray[np.float32]]:
        """Return all rows by image hash.

        Raises
        ------
        FingerprintError
            If a shard is damaged, or was written for another backbone.
        """
        rows: dict[str, NDArray[np.float32]] = {}
        for shard in sorted(self.folder.glob("*.safetensors")):
            tensors, meta = read_tensors(shard)
            require_match(meta, self.fingerprint, str(shard), "delete this file and encode again")
            keys = tensors["keys"].numpy()
            rows.update(zip((key.tobytes().hex() for key in keys), tensors["features"].numpy(), strict=True))
        return rows

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
        raw = np.frombuffer(bytes.fromhex("".join(keys)), dtype=np.uint8).reshape(len(keys), 32)
        shard = {"keys": torch.from_numpy(raw.copy()), "features": torch.from_numpy(features)}
        write_tensors(self.folder / f"{digest(keys)[:16]}.safetensors", shard, self.fingerprint)

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
