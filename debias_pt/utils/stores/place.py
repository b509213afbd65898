"""A folder or file in a store, with those of ``pathlib.Path``'s methods that reading a data set takes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote

from debias_pt.utils.stores.access import children, descendants, information, path_in_store, read_bytes
from debias_pt.utils.stores.addresses import is_remote, is_web, require_open, shown

SAFE = "/:@!$&'()*+,;=~"  # what stays as it is in the path of a web address


@dataclass(frozen=True, order=True)
class StorePath:
    """A place in a store.

    Parameters
    ----------
    url : str
        Without a slash at the end.

    Examples
    --------
    >>> table = StorePath("s3://bucket/birds") / "metadata.csv"
    >>> str(table), table.suffix, str(table.parent)
    ('s3://bucket/birds/metadata.csv', '.csv', 's3://bucket/birds')
    >>> str(StorePath("https://host/data") / "a b#1.jpg")
    'https://host/data/a%20b%231.jpg'
    """

    url: str

    def __truediv__(self, name: object) -> StorePath:
        """Return what is below, as in pathlib; an address stands for itself."""
        text = str(name)
        if is_remote(text):
            return StorePath(text)
        plain = text.removeprefix("./").strip("/")
        below = quote(plain, safe=SAFE) if is_web(self.url) else plain
        return StorePath(f"{self._bare}/{below}" if below not in ("", ".") else self._bare)

    def __str__(self) -> str:
        return shown(self.url)

    def __fspath__(self) -> str:
        return self.url

    @property
    def _bare(self) -> str:
        """The address without what follows a question mark."""
        return self.url.partition("?")[0].rstrip("/") if is_web(self.url) else self.url.rstrip("/")

    @property
    def name(self) -> str:
        """The last part."""
        return self._plain(self._bare.rsplit("/", 1)[-1])

    @property
    def suffix(self) -> str:
        """The ending, with its dot."""
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> StorePath:
        """The folder that it is in."""
        return StorePath(self._bare.rsplit("/", 1)[0])

    def _plain(self, text: str) -> str:
        return unquote(text) if is_web(self.url) else text

    def resolve(self) -> StorePath:
        """Return itself: an address starts at the root."""
        return self

    def as_posix(self) -> str:
        """Return the address as it is shown."""
        return str(self)

    def relative_to(self, folder: StorePath) -> PurePosixPath:
        """Return the way from a folder above it."""
        return PurePosixPath(self._plain(self._bare[len(folder._bare) :].strip("/")))

    def exists(self) -> bool:
        """Tell whether there is such a file or folder."""
        return information(self.url) is not None

    def is_file(self) -> bool:
        """Tell whether it is a file."""
        found = information(self.url)
        return found is not None and found["type"] == "file"

    def is_dir(self) -> bool:
        """Tell whether it is a folder; the web has none, and any address that is no table may be one."""
        if is_web(self.url):
            return True
        found = information(self.url)
        return found is not None and found["type"] == "directory"

    def iterdir(self) -> Iterator[StorePath]:
        """Yield what is in this folder."""
        return iter([self._below(one["name"]) for one in children(self._listable)])

    def files(self) -> list[StorePath]:
        """Return all files below, in order."""
        return sorted(self._below(one["name"]) for one in descendants(self._listable) if one["type"] == "file")

    @property
    def _listable(self) -> str:
        return f"{self._bare}/" if is_web(self.url) else self._bare

    def _below(self, found: str) -> StorePath:
        """Return a place from the path by which the store itself calls it."""
        if is_web(self.url):
            return StorePath(found.rstrip("/"))
        own = path_in_store(self._bare).rstrip("/")
        return StorePath(f"{self._bare}/{found.rstrip('/')[len(own) :].lstrip('/')}")

    def read_bytes(self) -> bytes:
        """Return the content.

        Raises
        ------
        DebiasError
            If it cannot be read.
        """
        return read_bytes(self.url)


Place = Path | StorePath


def below(path: Place, folder: Place) -> str:
    """Return the way from a folder to what is in it, with slashes."""
    return path.relative_to(folder).as_posix()  # type: ignore[arg-type]  # both are of one kind


def place(where: str | os.PathLike[str]) -> Place:
    """Return a path of this machine, or a place in a store.

    Raises
    ------
    UsageError
        If an address carries a password or a signature.
    """
    text = os.fspath(where)
    return StorePath(require_open(text).rstrip("/")) if is_remote(text) else Path(text)
