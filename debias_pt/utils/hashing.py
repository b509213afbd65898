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
from debias_pt.utils.files import make_folder, read_json, require_regular, write_json
from debias_pt.utils.fingerprint import digest
from debias_pt.utils.stores.access import read_bytes
from debias_pt.utils.stores.addresses import is_file_here

T = TypeVar("T")
Index = dict[str, list[int | str]]  # path to size, modification and change time, hash

# A file changed within this time of being hashed may change again without a new time stamp.
RACY_NS = 2_000_000_000
READ_BYTES = 1 << 20
HEXADECIMAL = set("0123456789abcdef")


def file_digest(path: str) -> str:
    """Return the SHA-256 of the content of a file, on this machine or in a store.

    Raises
    ------
    ImageError
        If the file cannot be read.
    """
    if not is_file_here(path):
        return hashlib.sha256(read_bytes(path)).hexdigest()
    content = hashlib.sha256()
    try:
        require_regular(path)
        content = hashlib.sha256()
        with open(path, "rb") as file:
            while part := file.read(READ_BYTES):  # an archive may not fit into memory
                content.update(part)
    except OSError as error:
        raise _unreadable(path, error) from error
    return content.hexdigest()


def _unreadable(path: str, error: OSError) -> ImageError:
    return ImageError(f"{path}: cannot read this file ({error.strerror}); check the data set's folder")


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
        content = stamp if isinstance(stamp, ImageError) else fresh[i] if i in fresh else str(known[name][3])
        if isinstance(content, ImageError):
            if bad is None:
                raise content
            bad[name] = str(content)
            continue
        hashes[i] = content
        if i in fresh and isinstance(stamp, list) and max(stamp[1:]) < now - RACY_NS:
            entries[name] = [*stamp, content]
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
        require_regular(path)
        status = os.stat(path)
    except FileNotFoundError as error:
        raise ImageError(f"{path}: no such image file; check the data set's folder") from error
    except OSError as error:
        raise _unreadable(path, error) from error
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _read_index(index: Path) -> Index:
    try:
        known = read_json(index)
    except UsageError:
        return {}
    if not isinstance(known, dict):
        return {}
    if "entries" in known and "sha256" in known:
        whole = digest(known["entries"]) == known["sha256"]
        known = known["entries"] if whole and isinstance(known["entries"], dict) else {}
    return {name: entry for name, entry in known.items() if _is_entry(entry)}


def _is_entry(entry: object) -> bool:
    """Tell whether an entry has the form of one: a file that somebody changed, or a disk, is not believed."""
    if not isinstance(entry, list) or [type(part) for part in entry] != [int, int, int, str]:
        return False
    return len(entry[3]) == 64 and set(entry[3]) <= HEXADECIMAL


def _write_index(index: Path, entries: Index) -> None:
    try:
        make_folder(index.parent)
        write_json(index, {"entries": entries, "sha256": digest(entries)})
    except UsageError:
        pass  # the index only saves time
