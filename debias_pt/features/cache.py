"""The cache of features: shards filed under each image's content, memory-mapped where that pays."""

from __future__ import annotations

import io
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.features.mapped import ROWS_AT_A_TIME
from debias_pt.utils.files import make_folder, read_arrays, whole_file, write_arrays, write_json
from debias_pt.utils.fingerprint import digest, require_match


class FeatureCache:
    """Features of images, shared by data sets, runs and processes.

    Parameters
    ----------
    cache_dir : Path
        The folder of all caches.
    fingerprint : mapping
        Of the backbone; see :class:`debias_pt.models.backbone.Backbone`.

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

    def add(self, keys: Sequence[str], features: NDArray[np.float32]) -> None:
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
        write_arrays(self.folder / f"{self.shard_name(keys)}.safetensors", shard, self.fingerprint)

    def shard_name(self, keys: Sequence[str]) -> str:
        """Return what the shard of exactly these keys is called."""
        return digest(list(keys))[:16]

    def has_shard(self, keys: Sequence[str]) -> bool:
        """Tell whether exactly these keys were added as one shard."""
        return (self.folder / f"{self.shard_name(keys)}.safetensors").exists()


KEY = np.dtype("S32")  # a SHA-256; all are of full length, so that numpy's padding changes no comparison


def raw_keys(hashes: Sequence[str]) -> NDArray[np.bytes_]:
    """Return hexadecimal SHA-256 keys as 32 bytes each."""
    return np.frombuffer(bytes.fromhex("".join(hashes)), dtype=KEY)


def _sorting(keys: NDArray[np.bytes_]) -> NDArray[np.int64]:
    """Return the order that sorts keys: by their first 8 bytes, unless two have the same; thrice as fast."""
    first = keys.view(">u8")[::4].astype(np.uint64)
    order = np.argsort(first, kind="stable")
    first = first[order]
    return np.argsort(keys, kind="stable") if (first[1:] == first[:-1]).any() else order


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
        starts = np.cumsum([0, *map(len, keys)])
        whole = np.concatenate([np.empty(0, KEY), *keys])
        order = _sorting(whole)
        whole = whole[order]  # at once, for at 10^8 rows each copy is 3 GB
        shard = np.searchsorted(starts[1:], order, side="right")
        return cls(whole, shard, order - starts[shard], tuple(shards), dim)

    def __len__(self) -> int:
        return len(self.keys)

    def missing(self, hashes: Sequence[str]) -> list[str]:
        """Return the hashes that are not in the cache, each once, in their order; empty strings are skipped."""
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


# Below this size, reading the shards is just as fast as a memory-mapped file.
MAPPED_BYTES = 1 << 28


def table_features(rows: CachedRows, hashes: Sequence[str], folder: Path, owner: str) -> NDArray[np.float32]:
    """Return the features of a table's rows: an array, or a mapped file if there are many.

    The file's name holds a hash of the rows' hashes, so that it is found again for the same images and only for those.

    Parameters
    ----------
    rows : CachedRows
        Of the cache that holds all of them.
    hashes : sequence of str
        One per row of the table; N of them.
    folder : Path
        The cache's folder.
    owner : str
        Whose table it is, such as the data set's folder; a new table replaces the owner's older one.

    Returns
    -------
    ndarray of float32, shape (N, D)
        A mapped array can be changed like any other; the file stays as it is.
    """
    shape = (len(hashes), rows.dim)
    if 4 * shape[0] * shape[1] <= MAPPED_BYTES:
        return rows.gather(hashes)
    place = make_folder(folder / "tables")
    prefix = digest(owner)[:16]
    path = place / f"{prefix}-{digest(list(hashes))[:32]}.npy"
    mapped = _open(path, shape)
    if mapped is None:
        _write(path, rows, hashes)
        for older in set(place.glob(f"{prefix}-*.npy")) - {path}:
            older.unlink(missing_ok=True)
        mapped = _open(path, shape)
        assert mapped is not None
    return mapped


def _open(path: Path, shape: tuple[int, int]) -> NDArray[np.float32] | None:
    """Map a table, or return None if it is missing, incomplete or damaged."""
    try:
        if not _checksum_fits(path):  # before numpy reads the header
            return None
        mapped = np.load(path, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError):
        return None
    return mapped if (mapped.shape, mapped.dtype) == (shape, np.float32) else None


CRC_BYTES = 4  # behind the array, where numpy does not look
READ_BYTES = 1 << 20


def _checksum_fits(path: Path) -> bool:
    """Tell whether a file ends with the CRC-32 of what stands before it."""
    left, crc = path.stat().st_size - CRC_BYTES, 0
    with open(path, "rb") as file:
        while left > 0 and (part := file.read(min(left, READ_BYTES))):
            crc, left = zlib.crc32(part, crc), left - len(part)
        return left == 0 and file.read() == crc.to_bytes(CRC_BYTES, "big")


def _write(path: Path, rows: CachedRows, hashes: Sequence[str]) -> None:
    # Written with write(), not through a mapping: a full disk is then an error and not a signal.
    header, start = {"descr": "<f4", "fortran_order": False, "shape": (len(hashes), rows.dim)}, io.BytesIO()
    np.lib.format.write_array_header_1_0(start, header)
    with whole_file(path) as unfinished, open(unfinished, "xb") as file:
        file.write(start.getvalue())
        crc = zlib.crc32(start.getvalue())
        for first in range(0, len(hashes), ROWS_AT_A_TIME):
            part = rows.gather(hashes[first : first + ROWS_AT_A_TIME]).astype("<f4", copy=False).data
            file.write(part)
            crc = zlib.crc32(part, crc)
        file.write(crc.to_bytes(CRC_BYTES, "big"))
