"""Content hashes of files, remembered by size, modification and change time as in git's index."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from debias_pt.errors import ImageError, UsageError
from debias_pt.files import make_folder, read_json, write_json

Index = dict[str, list[int | str]]  # path to size, modification and change time, hash

# A file changed within this time of being hashed may change again without a new time stamp.
RACY_NS = 2_000_000_000


def file_digest(path: str) -> str:
    """Return the SHA-256 of a file's content.

    Raises
    ------
    ImageError
        If the file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError as error:
        raise ImageError(f"{path}: cannot read this file ({error.strerror}); check the data set's folder") from error


def content_hashes(root: Path, ids: Sequence[str], index_dir: Path) -> list[str]:
    """Return the SHA-256 of every file ``root / id``, reading only those that changed since the last call.

    Parameters
    ----------
    root : Path
        Folder of the data set.
    ids : sequence of str
        Paths below it.
    index_dir : Path
        Where to remember the hashes; a folder that cannot be written to only costs time.

    Raises
    ------
    ImageError
        If a file is missing or unreadable.
    """
    index = index_dir / f"{hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]}.json"
    known = _read_index(index)
    paths = [os.path.join(root, name) for name in ids]
    stamps = [_stamp(path) for path in paths]
    stale = [i for i, name in enumerate(ids) if known.get(name, [None])[:3] != stamps[i]]
    now = time.time_ns()
    with ThreadPoolExecutor(max_workers=min(8, (os.cpu_count() or 1) + 2)) as pool:
        fresh = dict(zip(stale, pool.map(file_digest, [paths[i] for i in stale]), strict=True))
    hashes = [fresh[i] if i in fresh else str(known[name][3]) for i, name in enumerate(ids)]
    if fresh:
        entries: Index = {n: [*stamps[i], hashes[i]] for i, n in enumerate(ids) if max(stamps[i][1:]) < now - RACY_NS}
        _write_index(index, {**known, **entries})
    return hashes


def _stamp(path: str) -> list[int]:
    try:
        status = os.stat(path)
    except OSError as error:
        raise ImageError(f"{path}: no such image file; check the data set's folder") from error
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _read_index(index: Path) -> Index:
    try:
        known = read_json(index)
    except UsageError:
        return {}
    return known if isinstance(known, dict) else {}


def _write_index(index: Path, entries: Index) -> None:
    try:
        make_folder(index.parent)
        write_json(index, entries)
    except UsageError:
        pass  # the index only saves time
