"""Archives of data sets: what is known about one in advance, and unpacking it without leaving its folder."""

from __future__ import annotations

import gzip
import posixpath
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath
from typing import IO, cast

from debias_pt.datasets.download.bombs import CHUNK, Budget, Counted
from debias_pt.errors import DebiasError, FetchError, OutputError

LONGEST_LINK = 4096


@dataclass(frozen=True)
class Archive:
    """Where a data set can be downloaded, and what is known about the archive.

    Parameters
    ----------
    url : str
        Of a tar, tar.gz or zip file, with or without one folder around everything.
    folder : str
        The data set's folder below the data root.
    size : int or None
        Of the archive, in bytes, where published; another is refused.
    about : int or None
        Of the archive, in bytes, where it is only roughly known.
    sha256 : str or None
        Of the archive, where known.
    files : mapping of str to str
        Paths inside the folder to the SHA-256 of files whose content is known.
    """

    url: str
    folder: str
    size: int | None = None
    about: int | None = None
    sha256: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Member:
    """One entry of an archive: a file with its content, a folder, a link to `target`, or another kind."""

    name: str
    kind: str
    content: IO[bytes] | None = None
    target: str = ""


def unpack(packed: Path, into: Path) -> None:
    """Unpack a tar, tar.gz or zip file.

    Nothing is written outside `into`, and no link is ever made: one that stays inside becomes a copy
    of the file it names, so that no later member can be written through it.

    Parameters
    ----------
    packed : Path
        The archive.
    into : Path
        An existing folder.

    Raises
    ------
    FetchError
        If the archive is damaged, truncated or not an archive, or a member is not a plain file or leaves the folder.
    OutputError
        If the disk cannot hold its content.
    """
    try:
        budget = Budget.of(packed.stat().st_size)
        links = [member for member in _members(packed, budget) if not _written(member, into, budget)]
        for link in links:
            _copy(link, into, budget)
    except DebiasError:
        raise
    except OSError as error:
        if isinstance(error, gzip.BadGzipFile):
            raise _damaged(packed, error) from error
        raise OutputError(f"{into.parent}: cannot unpack here ({error.strerror or error}); free some space") from error
    except Exception as error:  # the readers of the standard library raise many kinds on damaged input
        raise _damaged(packed, error) from error


def _written(member: Member, into: Path, budget: Budget) -> bool:
    """Write a file or a folder; leave links for later."""
    budget.take_member()
    place = inside(into, member.name)
    if member.kind == "link":
        return False
    if member.kind == "folder":
        place.mkdir(parents=True, exist_ok=True)
    elif member.content is None:
        raise FetchError(f"{member.name!r} in the archive is a {member.kind}; only files and folders are unpacked")
    else:
        place.parent.mkdir(parents=True, exist_ok=True)
        with member.content as content, open(place, "wb") as file:
            shutil.copyfileobj(Counted(content, budget), file, CHUNK)
    return True


def _copy(link: Member, into: Path, budget: Budget) -> None:
    place, target = inside(into, link.name), inside(into, link.target)
    if not target.is_file():
        raise FetchError(f"{link.name!r} in the archive is a link to {link.target!r}, which is not a file in it")
    budget.take(target.stat().st_size)
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(target, place)


def inside(folder: Path, name: str) -> Path:
    """Return the path of a member below a folder.

    Raises
    ------
    FetchError
        If the name is absolute or goes up.

    Examples
    --------
    >>> inside(Path("data"), "./images/1.jpg").as_posix()
    'data/images/1.jpg'
    >>> inside(Path("data"), "images/../../1.jpg")
    Traceback (most recent call last):
    debias_pt.errors.FetchError: 'images/../../1.jpg' in the archive leads out of its folder; nothing is kept
    """
    plain = PureWindowsPath(name)  # knows slashes of both kinds, and drives
    if plain.anchor or ".." in plain.parts:
        raise FetchError(f"{name!r} in the archive leads out of its folder; nothing is kept")
    return folder / name


def _members(packed: Path, budget: Budget) -> Iterator[Member]:
    with open(packed, "rb") as file:
        start = file.read(4)
        file.seek(0)
        if start == b"PK\x03\x04":
            yield from _zip_members(file)
        elif start[:2] == b"\x1f\x8b":
            with gzip.open(file) as stream:
                counted = Counted(stream, Budget(budget.most, 2 * budget.most, 0))  # headers and padding come on top
                yield from _tar_members(counted)
                while counted.read():  # to the end, where gzip compares its checksum
                    pass
        else:
            yield from _tar_members(file)


def _tar_members(stream: IO[bytes] | Counted) -> Iterator[Member]:
    with tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r|") as tar:
        for info in tar:
            if info.issym():
                yield Member(info.name, "link", target=_from(info.name, info.linkname))
            elif info.islnk():
                yield Member(info.name, "link", target=info.linkname)
            elif info.isdir():
                yield Member(info.name, "folder")
            elif info.isfile():
                yield Member(info.name, "file", tar.extractfile(info))
            else:
                yield Member(info.name, "device or pipe")


def _zip_members(file: IO[bytes]) -> Iterator[Member]:
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind == stat.S_IFLNK and info.file_size > LONGEST_LINK:
                yield Member(info.filename, "link to nowhere")
            elif kind == stat.S_IFLNK:
                yield Member(info.filename, "link", target=_from(info.filename, archive.read(info).decode()))
            elif info.is_dir():
                yield Member(info.filename, "folder")
            elif kind in (0, stat.S_IFREG):
                yield Member(info.filename, "file", archive.open(info))
            else:
                yield Member(info.filename, "device or pipe")


def _from(link: str, target: str) -> str:
    """Return what a symbolic link points to, seen from the top of the archive."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(link), target))


def _damaged(packed: Path, error: Exception) -> FetchError:
    with open(packed, "rb") as file:
        start = file.read(24)
    return FetchError(f"the download is damaged or not a tar or zip file ({error}); it begins with {start!r}")
