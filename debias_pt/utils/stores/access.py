"""Reading from stores through fsspec: passing faults are waited out, all others become one line.

fsspec comes with torch; the packages behind ``s3://`` and the others are imported when one is first used.
"""

from __future__ import annotations

import errno
import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

from debias_pt.errors import DatasetError, DebiasError, FetchError, ImageError, UsageError
from debias_pt.utils.stores.addresses import is_remote, is_web, member_of, shown

T = TypeVar("T")
ATTEMPTS = 5
PAUSE_S = 0.5  # before the second attempt, doubled before each further one
SILENCE_S = 60.0  # without a byte
# By name, since their packages may not be there.
FAULTS = {
    "ConnectionError", "ClientConnectionError", "ClientPayloadError", "HTTPClientError", "IncompleteRead",
    "ResponseParserError", "TimeoutError",
}  # fmt: skip
NO_CREDENTIALS = {"NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError", "ProfileNotFound"}
OF_THE_REQUEST = {errno.EINVAL, errno.EPERM, errno.ENOSYS, errno.EISDIR, errno.ENOTDIR}
PACKAGES = {"gs": "gcsfs", "gcs": "gcsfs", "hf": "huggingface_hub"}
HELP = "docs/object-stores.md"


class _AbsentError(Exception):
    """There is no such file or folder."""


def attempt(url: str, work: Callable[[Any, str], T]) -> T:
    """Do something with a store's file system and a path in it; again after a pause if a passing fault came between.

    Parameters
    ----------
    url : str
        Chooses the store.
    work : callable
        Given the file system of fsspec and the path in it.

    Raises
    ------
    ImageError
        If there is no such file, or it may not be read.
    DatasetError
        If there are no credentials, or the store refuses for another reason.
    UsageError
        If there is no such store, or its package is not installed.
    FetchError
        If the store still does not answer after some attempts.
    """
    try:
        return _patiently(url, work)
    except _AbsentError as error:
        raise ImageError(f"{shown(url)}: no such file, folder or bucket; check the address") from error.__cause__


def _patiently(url: str, work: Callable[[Any, str], T]) -> T:
    last: Exception | None = None
    for number in range(ATTEMPTS):
        if number:
            time.sleep(PAUSE_S * 2 ** (number - 1) * random.uniform(0.75, 1.25))
        try:
            return work(*_open(url))
        except DebiasError:
            raise
        except Exception as error:  # stores raise many kinds
            last = _behind(error)
            if isinstance(last, FileNotFoundError | NotADirectoryError):
                raise _AbsentError from error
            if not _passes(last):
                raise _refusal(url, last) from error
    assert last is not None
    raise FetchError(
        f"{shown(url)}: no answer in {ATTEMPTS} attempts ({_reason(last, url)}); check the network and run the same "
        "command again: what was encoded is kept"
    ) from last


def _open(url: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs

    try:
        found: tuple[Any, str] = url_to_fs(url, **_options(url))
    except ImportError as error:
        scheme = url.partition("://")[0].lower()
        package = PACKAGES.get(scheme, "debias-pt[stores]")
        raise UsageError(
            f"{shown(url)}: reading {scheme}:// needs a package that is not installed; pip install '{package}'"
        ) from error
    except ValueError as error:
        raise UsageError(
            f"{shown(url)}: cannot read this ({_reason(error, url)}); s3://, gs://, hf:// or https:// expected"
        ) from error
    return found


def _options(url: str) -> dict[str, Any]:
    if not is_web(url):
        return {}
    import aiohttp

    silence = aiohttp.ClientTimeout(total=None, sock_connect=SILENCE_S, sock_read=SILENCE_S)
    return {"client_kwargs": {"timeout": silence, "trust_env": True}}  # ~/.netrc and proxies


def _behind(error: Exception) -> Exception:
    """Return what is behind an error: fsspec says of any web address without an answer that it is not there."""
    cause = error.__cause__
    known = isinstance(cause, Exception) and (_status(cause) not in (None, 404, 410) or _kinds(cause) & FAULTS)
    return cause if isinstance(error, FileNotFoundError) and known and isinstance(cause, Exception) else error


def _kinds(error: Exception) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}


def _status(error: Exception) -> int | None:
    """Return the HTTP status that an error tells of: aiohttp's, those of answers, gcsfs'."""
    for name in ("status", "code"):
        seen = getattr(error, name, None)
        if seen is not None:
            return seen if isinstance(seen, int) else None
    seen = getattr(getattr(error, "response", None), "status_code", None)
    return seen if isinstance(seen, int) else None


def _passes(error: Exception) -> bool:
    """Tell whether another attempt may do better."""
    status = _status(error)
    if status is not None:
        return status in (408, 425, 429) or status >= 500
    if _kinds(error) & FAULTS:
        return True
    return isinstance(error, OSError) and not isinstance(error, PermissionError) and error.errno not in OF_THE_REQUEST


def _refusal(url: str, error: Exception) -> DebiasError:
    name, reason = type(error).__name__, _reason(error, url)
    if isinstance(error, PermissionError) or _status(error) in (401, 403):
        return ImageError(
            f"{shown(url)}: access denied ({reason}); credentials that may read it go where the store looks for them "
            f"({HELP})"
        )
    if name in NO_CREDENTIALS:
        return DatasetError(f"{shown(url)}: no credentials ({reason}); put them where the store looks ({HELP})")
    return DatasetError(f"{shown(url)}: cannot read this ({reason}); check the address ({HELP})")


def _reason(error: Exception, url: str) -> str:
    status = _status(error)
    if status is not None:
        return f"{status} {getattr(error, 'message', '')}".strip()
    return " ".join(str(error).replace(url, shown(url)).split())[:200] or type(error).__name__


def information(url: str) -> dict[str, Any] | None:
    """Return what a store says of a file or folder, as fsspec gives it; None if there is no such thing."""
    try:
        found: dict[str, Any] = _patiently(url, lambda store, path: store.info(path, **_fresh(store)))
    except _AbsentError:
        return None
    return found


def children(url: str) -> list[dict[str, Any]]:
    """Return what a store says of everything in a folder; nothing if there is no such folder."""
    return _listed(url, lambda store, path: store.ls(path, detail=True))


def descendants(url: str) -> list[dict[str, Any]]:
    """Return what a store says of all files below a folder; nothing if there is no such folder."""
    return _listed(url, lambda store, path: list(store.find(path, detail=True).values()))


def _listed(url: str, work: Callable[[Any, str], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    def afresh(store: Any, path: str) -> list[dict[str, Any]]:
        store.invalidate_cache()  # what was listed before may have changed
        return work(store, path)

    try:
        return _patiently(url, afresh)
    except _AbsentError:
        return []


def _fresh(store: Any) -> dict[str, Any]:
    return {"refresh": True} if "s3" in (store.protocol if isinstance(store.protocol, tuple) else ()) else {}


def path_in_store(url: str) -> str:
    """Return a path as the store itself gives it in what it says of files."""
    return attempt(url, lambda store, path: path)


def read_bytes(address: str, start: int | None = None, end: int | None = None) -> bytes:
    """Return the content of a file in a store, of a file inside a tar file, or of a part of it.

    Raises
    ------
    DebiasError
        See :func:`attempt`.
    """
    member = member_of(address)
    if member is not None:
        first = member.start + (start or 0)
        last = member.start + (member.size if end is None else end)
        return read_bytes(member.shard, first, last)
    if not is_remote(address):
        return _read_here(address, start or 0, end)
    found: bytes = attempt(address, lambda store, path: store.cat_file(path, start=start, end=end))
    if start is not None and end is not None and len(found) > end - start:  # a server that knows no ranges
        found = found[start:end]
    return _whole(address, found, start, end)


def _whole(address: str, found: bytes, start: int | None, end: int | None) -> bytes:
    last = (start or 0) + len(found)
    if end is not None and last < end:
        raise ImageError(f"{shown(address)}: ends at byte {last}, not {end}; it was cut or has changed")
    return found


def _read_here(path: str, start: int, end: int | None) -> bytes:
    try:
        with open(path, "rb") as file:
            file.seek(start)
            return _whole(path, file.read(-1 if end is None else end - start), start, end)
    except FileNotFoundError as error:
        raise ImageError(f"{path}: no such file; check the data set's folder") from error
    except OSError as error:
        raise ImageError(f"{path}: cannot read this file ({error.strerror}); check the data set's folder") from error
