"""Fetching a data set: downloaded next to its final place, checked, and only then renamed into it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from debias_pt.datasets.download.archive import Archive, unpack
from debias_pt.datasets.download.http import discard, download, length, require_web
from debias_pt.errors import DatasetError, FetchError, OutputError
from debias_pt.utils.files import locked, make_folder, temporary_folder
from debias_pt.utils.hashing import file_digest
from debias_pt.utils.orphans import remove_unfinished
from debias_pt.utils.stores.place import Place

LOG = logging.getLogger(__name__)

Check = Callable[[Path], object]


@dataclass(frozen=True)
class Fetched:
    """What a :func:`fetch` did.

    Parameters
    ----------
    folder : str
        Where the data set is.
    bytes : int
        Size of the archive; 0 if nothing was fetched.
    resumed_from : int
        How many of these came from an earlier call.
    files_checked : int
        Files whose SHA-256 was compared with the published one.
    already_there : bool
        Nothing had to be fetched.
    """

    folder: str
    bytes: int
    resumed_from: int
    files_checked: int
    already_there: bool


def fetch(archive: Archive, root: Path, check: Check, *, terms: str, url: str | None = None) -> Fetched:
    """Download a data set to ``root / archive.folder``, complete or not at all.

    Parameters
    ----------
    archive : Archive
        Where it is and what is known about it.
    root : Path
        The data root, created if it does not exist.
    check : callable
        Takes the folder that holds the data set's own folder, loads the set there, and raises if it is incomplete.
    terms : str
        Origin and licence, printed to standard error before anything is downloaded.
    url : str, optional
        Another mirror of the same archive.

    Raises
    ------
    FetchError
        If it cannot be downloaded, or the download is not the data set. A partial download is kept, a wrong one is not.
    DatasetError
        If the folder is there already and is not the data set.
    OutputError
        If the disk is full or cannot be written to.
    """
    url, folder = require_web(url or archive.url), root / archive.folder
    if folder.exists():
        return _already_there(archive, root, check)
    make_folder(root)
    waiting = f"waiting: another process is fetching into {root}"
    with locked(root, lambda: LOG.warning(waiting), "--data-root"):
        if folder.exists():
            return _already_there(archive, root, check)
        _announce(archive, url, terms)
        try:
            return _fetch(archive, url, root, check)
        except FetchError as error:
            raise FetchError(f"{url}: {error}; or download it by hand and unpack it to {folder}") from error


def _announce(archive: Archive, url: str, terms: str) -> None:
    from rich.filesize import decimal

    size = "size not published" if archive.about is None else f"about {decimal(archive.about)}"
    size = size if archive.size is None else decimal(archive.size)
    LOG.warning("%s: %s\nfetching %s (%s)", archive.folder, terms, url, size)


def _fetch(archive: Archive, url: str, root: Path, check: Check) -> Fetched:
    part = _part(archive, root)
    came = download(url, part, size=archive.size)
    try:
        _require_archive(archive, part)
        _install(archive, part, root, check)
    except FetchError:
        discard(part)  # resuming a wrong file would never succeed
        raise
    discard(part)
    return Fetched(str(root / archive.folder), came.size, came.resumed_from, len(archive.files), False)


def _part(archive: Archive, root: Path) -> Path:
    return root / f".{archive.folder}.part"


def _install(archive: Archive, part: Path, root: Path, check: Check) -> None:
    with temporary_folder(root, "--data-root") as temporary:
        tree, parent = temporary / "unpacked", temporary / "whole"
        for place in (tree, parent):
            place.mkdir()
        unpack(part, tree)
        whole = _content(tree, archive).rename(parent / archive.folder)
        try:
            _require_files(archive, whole)
            check(parent)
        except DatasetError as error:
            reason = str(error).replace(str(whole), archive.folder)
            raise FetchError(f"the download is not the published data set: {reason}; find another mirror") from error
        try:
            whole.rename(root / archive.folder)
        except OSError as error:
            raise OutputError(f"{root / archive.folder}: cannot put it there ({error.strerror})") from error


def _content(tree: Path, archive: Archive) -> Path:
    """Return the data set's own folder: what was unpacked, or the one folder in it."""
    there = list(tree.iterdir())
    wrapped = len(there) == 1 and there[0].is_dir() and not any((tree / name).exists() for name in archive.files)
    return there[0] if wrapped else tree


def _already_there(archive: Archive, root: Path, check: Check) -> Fetched:
    check(root)
    try:
        _require_files(archive, root / archive.folder)
    except DatasetError as error:
        raise DatasetError(f"{error}; move {root / archive.folder} away and fetch again") from error
    with suppress(OSError):  # what is left of a process that was killed at the very end
        discard(_part(archive, root))
        remove_unfinished(root)
    return Fetched(str(root / archive.folder), 0, 0, len(archive.files), True)


def _require_archive(archive: Archive, part: Path) -> None:
    if archive.size not in (None, length(part)):
        raise FetchError(
            f"{length(part)} bytes came, but the published archive has {archive.size}; find another mirror"
        )
    if archive.sha256 and (seen := file_digest(str(part))) != archive.sha256:
        raise FetchError(f"SHA-256 is {seen}, the published archive has {archive.sha256}; find another mirror")


def wrong_files(archive: Archive, folder: Place) -> Iterator[tuple[str, str]]:
    """Yield the files whose content is not the published one, with what is wrong."""
    for name, known in archive.files.items():
        if not (folder / name).is_file():
            yield name, "is missing"
        elif (seen := file_digest(str(folder / name))) != known:
            yield name, f"SHA-256 is {seen}, the published file has {known}"


def _require_files(archive: Archive, folder: Path) -> None:
    for name, what in wrong_files(archive, folder):
        raise DatasetError(f"{folder / name}: {what}")
