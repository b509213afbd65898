"""Content hashes of files, remembered by size, modification and change time as in git's index."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from debias_pt.errors import ImageError, UsageError
from debias_pt.utils.files import make_folder, read_json, write_json

T = TypeVar("T")
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


def content_hashes(root: Path, ids: Sequence[str], index_dir: Path, bad: dict[str, str] | None = None) -> list[str]:
    """Return the SHA-256 of every file ``root / id``, reading only those that changed since the last call.

    Parameters
    ----------
    root : Path
        Folder of the data set.
    ids : sequence of str
        Paths below it.
    index_dir : Path
        Where to remember the hashes; a folder that cannot be written to only costs time.
    bad : dict, optional
        Collects unreadable files, id to reason, instead of raising; their hash is empty.

    Raises
    ------
    ImageError
        If a file is missing or unreadable and there is no `bad`.
    """
    index = index_dir / f"{hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]}.json"
    known = _read_index(index)
    paths = [os.path.join(root, name) for name in ids]
    stamps = [_or_error(_stamp, path) for path in paths]
    stale = [
        i for i, name in enumerate(ids) if known.get(name, [None])[:3] != stamps[i] and isinstance(stamps[i], list)
    ]
    now = time.time_ns()
    with ThreadPoolExecutor(max_workers=min(8, (os.cpu_count() or 1) + 2)) as pool:
        found = list(pool.map(partial(_or_error, file_digest), [paths[i] for i in stale]))
    fresh = dict(zip(stale, found, strict=True))
    hashes = [""] * len(ids)
    entries: Index = {}
    for i, name in enumerate(ids):
        stamp = stamps[i]
        digest = stamp if isinstance(stamp, ImageError) else fresh[i] if i in fresh else str(known[name][3])
        if isinstance(digest, ImageError):
            if bad is None:
                raise digest
            bad[name] = str(digest)
            continue
        hashes[i] = digest
        if i in fresh and isinstance(stamp, list) and max(stamp[1:]) < now - RACY_NS:
            entries[name] = [*stamp, digest]
    if entries:
        _write_index(index, {**known, **entries})
    return hashes


def _or_error(work: Callable[[str], T], path: str) -> T | ImageError:
    """Return what `work` returns, or the error it raises: one bad file must not hide the others."""
    try:
        return work(path)
    except ImageError as error:
        return error


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
