"""Where the feature cache holds which row: an index of keys, without an object per row and without the features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from debias_pt.files import read_arrays

KEY = np.dtype("S32")  # a SHA-256; all are of full length, so that numpy's padding changes no comparison


def raw_keys(hashes: Sequence[str]) -> NDArray[np.bytes_]:
    """Return hexadecimal SHA-256 keys as 32 bytes each."""
    return np.frombuffer(bytes.fromhex("".join(hashes)), dtype=KEY)


@dataclass(frozen=True)
class CachedRows:
    """Rows of all shards, sorted by key; features are read when they are gathered.

    Parameters
    ----------
    keys : ndarray of 32 bytes, shape (n,)
        Sorted.
    shard, row : ndarray of int, shape (n,)
        Which shard holds a key, and in which row.
    shards : tuple of Path
    dim : int
        Size of a row, 0 if there is none.
    """

    keys: NDArray[np.bytes_]
    shard: NDArray[np.int64]
    row: NDArray[np.int64]
    shards: tuple[Path, ...]
    dim: int

    @classmethod
    def of(cls, keys: Sequence[NDArray[np.bytes_]], shards: Sequence[Path], dim: int) -> CachedRows:
        """Index shards by the keys that each of them holds."""
        sizes = [len(part) for part in keys]
        whole = np.concatenate([np.empty(0, KEY), *keys])
        order = np.argsort(whole, kind="stable")
        shard = np.repeat(np.arange(len(shards)), sizes)
        row = np.concatenate([np.empty(0, np.int64), *map(np.arange, sizes)])
        return cls(whole[order], shard[order], row[order], tuple(shards), dim)

    def __len__(self) -> int:
        return len(self.keys)

    def missing(self, hashes: Sequence[str]) -> list[str]:
        """Return those hashes that the cache does not hold, each once, in their order; empty ones are no hashes."""
        distinct = list(dict.fromkeys(key for key in hashes if key))
        wanted = raw_keys(distinct)
        return [distinct[i] for i in np.flatnonzero(~self._held(wanted, self._places(wanted)))]

    def gather(self, hashes: Sequence[str]) -> NDArray[np.float32]:
        """Return the features ``(n, D)`` of these hashes, in their order; every shard is read once.

        Raises
        ------
        KeyError
            If a hash is not held.
        FingerprintError
            If a shard is damaged.
        """
        wanted = raw_keys(hashes)
        places = self._places(wanted)
        held = self._held(wanted, places)
        if not held.all():
            raise KeyError(hashes[int(np.argmin(held))])
        features = np.empty((len(wanted), self.dim), dtype=np.float32)
        shard = self.shard[places]
        by_shard = np.argsort(shard, kind="stable")
        for rows in np.split(by_shard, np.flatnonzero(np.diff(shard[by_shard])) + 1):
            if len(rows):
                arrays, _ = read_arrays(self.shards[shard[rows[0]]], ["features"])
                features[rows] = arrays["features"][self.row[places[rows]]]
        return features

    def _places(self, wanted: NDArray[np.bytes_]) -> NDArray[np.int64]:
        return np.searchsorted(self.keys, wanted).clip(max=max(0, len(self) - 1))

    def _held(self, wanted: NDArray[np.bytes_], places: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.asarray(self.keys[places] == wanted) if len(self) else np.zeros(len(wanted), dtype=bool)
