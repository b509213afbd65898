"""Features of large data sets: one file beside the cache's shards, mapped into memory instead of read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from debias_pt.cached_rows import CachedRows
from debias_pt.files import make_folder, whole_file
from debias_pt.fingerprint import digest

# Smaller tables are read from the shards as soon as from a file of their own.
MAPPED_BYTES = 1 << 28
ROWS_AT_A_TIME = 8192


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
        Whose table it is, such as the data set's folder: a new one takes the place of its older one.

    Returns
    -------
    ndarray of float32, shape (N, D)
        A mapped one can be written to like any other; the file stays as it is.
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
    """Map a table, or return None if it is not there or not whole."""
    try:
        mapped = np.load(path, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError):
        return None
    return mapped if (mapped.shape, mapped.dtype) == (shape, np.float32) else None


def _write(path: Path, rows: CachedRows, hashes: Sequence[str]) -> None:
    # Through write, not through a mapping: a full disk is then an error and not a signal.
    header = {"descr": "<f4", "fortran_order": False, "shape": (len(hashes), rows.dim)}
    with whole_file(path) as unfinished, open(unfinished, "xb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for first in range(0, len(hashes), ROWS_AT_A_TIME):
            file.write(rows.gather(hashes[first : first + ROWS_AT_A_TIME]).astype("<f4", copy=False).data)
