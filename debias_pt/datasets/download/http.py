"""Downloading one file over HTTP: resumes where it stopped, and never mixes two versions of it."""

from __future__ import annotations

import dataclasses
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from debias_pt.errors import FetchError, OutputError, UsageError
from debias_pt.utils.files import read_json, write_json
from debias_pt.utils.progress import progress

TIMEOUT_S = 30.0  # without a byte
ATTEMPTS = 4  # in one call
PAUSE_S = 1.0  # before the second attempt, doubled before each further one
CHUNK = 1 << 16


class _BrokenOffError(Exception):
    """The connection or the server failed; another attempt may do better."""


class _NoAnswerError(_BrokenOffError):
    """Nothing can be downloaded from this address, at least now."""


@dataclass(frozen=True)
class Download:
    """A finished download: bytes in all, and how many of them came from an earlier call."""

    size: int
    resumed_from: int


@dataclass(frozen=True)
class Origin:
    """Where a part comes from: enough to tell whether the server still has the same file."""

    url: str
    etag: str | None = None
    modified: str | None = None
    total: int | None = None

    def same(self, other: Origin) -> bool:
        """Return whether nothing that is known about both differs."""
        pairs = zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)
        return all(a == b for a, b in pairs if a is not None and b is not None)

    @property
    def known(self) -> bool:
        """Whether there is anything to tell two versions by."""
        return any(value is not None for value in (self.etag, self.modified, self.total))

    @property
    def validator(self) -> str | None:
        """For ``If-Range``, which does not accept weak tags."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified


def require_web(url: str) -> str:
    """Return an address that can be downloaded.

    Raises
    ------
    UsageError
        If it is not one of HTTP or HTTPS.
    """
    if not re.fullmatch(r"https?://[^/\s][!-~]*", url):
        raise UsageError(f"{url!r}: not a web address; give one that begins with https:// or http://")
    return url


def download(url: str, part: Path, *, size: int | None = None) -> Download:
    """Download a file, resuming what an earlier call left.

    Parameters
    ----------
    url : str
        HTTP or HTTPS.
    part : Path
        Where to write. Kept when the connection breaks; a file next to it says where it comes from.
    size : int, optional
        Bytes to expect, where published.

    Raises
    ------
    FetchError
        If the file cannot be downloaded, the connection keeps breaking, or the size is wrong.
    OutputError
        If the disk is full or cannot be written to.
    """
    starts: list[int] = []
    reason = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE_S * 2 ** (attempt - 1))
        try:
            _attempt(url, part, size, starts)
            return Download(length(part), min(starts))
        except _BrokenOffError as error:
            reason = str(error)
            if isinstance(error, _NoAnswerError) and not starts:
                raise FetchError(f"{reason}; check the address and the network, try again later") from error
        except OSError as error:
            raise OutputError(
                f"{part}: cannot write ({error.strerror or error}); free some space or choose another --data-root"
            ) from error
    kept = length(part) if _origin(part, url) else 0
    advice = f"{kept} bytes are kept in {part}; run the same command to resume" if kept else "try again later"
    raise FetchError(f"{reason}, {ATTEMPTS} attempts; {advice}")


def discard(part: Path) -> None:
    """Remove a part and what is known about it."""
    part.unlink(missing_ok=True)
    _note(part).unlink(missing_ok=True)


def length(part: Path) -> int:
    """Return how many bytes are there."""
    return part.stat().st_size if part.exists() else 0


def _attempt(url: str, part: Path, size: int | None, starts: list[int]) -> None:
    origin = _origin(part, url)
    start = length(part) if origin else 0
    if origin and start and start == origin.total:
        starts.append(start)
        return
    with _open(url, part, start, origin) as response:
        seen, offset = _answer(url, response)
        if offset and (offset != start or not (origin and origin.same(seen))):
            discard(part)
            raise _BrokenOffError("the file on the server has changed in the meantime")
        if size is not None and seen.total not in (None, size):
            discard(part)
            raise FetchError(f"the file there has {seen.total} bytes, the published one {size}; find another mirror")
        _require_space(part, offset, seen.total)
        if not offset:
            part.write_bytes(b"")
            write_json(_note(part), dataclasses.asdict(seen))
        starts.append(offset)
        _receive(response, part, offset, seen.total)


def _open(url: str, part: Path, start: int, origin: Origin | None) -> HTTPResponse:
    headers = {"User-Agent": "debias-pt", "Accept-Encoding": "identity"}
    if start and origin:
        headers |= {"Range": f"bytes={start}-"} | ({"If-Range": origin.validator} if origin.validator else {})
    try:
        response: HTTPResponse = urlopen(Request(url, headers=headers), timeout=TIMEOUT_S)
        return response
    except HTTPError as error:
        error.close()
        if error.code == 416 and start:
            discard(part)
            raise _BrokenOffError("the file on the server has changed in the meantime") from error
        raise _NoAnswerError(f"the server answered {error.code} {error.reason}") from error
    except (OSError, HTTPException, ValueError) as error:
        cause = error.reason if isinstance(error, URLError) else error
        raise _NoAnswerError(f"no answer ({cause or type(cause).__name__})") from error


def _answer(url: str, response: HTTPResponse) -> tuple[Origin, int]:
    """Return what the server says about the file, and at which byte the answer begins (-1 if it does not say)."""
    total, offset = response.length, 0
    if response.status == 206:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        offset = int(found[1]) if found else -1
        total = int(found[2]) if found and found[2] != "*" else None
    return Origin(url, response.headers.get("ETag"), response.headers.get("Last-Modified"), total), offset


def _receive(response: HTTPResponse, part: Path, offset: int, total: int | None) -> None:
    with progress("fetching", total, "bytes") as advance, open(part, "ab") as file:
        advance(offset)
        for chunk in _chunks(response):
            file.write(chunk)
            advance(len(chunk))
    if total is not None and length(part) != total:
        raise _BrokenOffError(f"broke off after {length(part)} of {total} bytes")


def _chunks(response: HTTPResponse) -> Iterator[bytes]:
    while True:
        try:
            chunk = response.read1(CHUNK)
        except (OSError, HTTPException) as error:
            raise _BrokenOffError(f"broke off ({error or type(error).__name__})") from error
        if not chunk:
            return
        yield chunk


def _require_space(part: Path, offset: int, total: int | None) -> None:
    """Raise if the disk is too small; unpacked photographs take about as much again."""
    free = shutil.disk_usage(part.parent).free
    if total is not None and free < 2 * total - offset:
        raise OutputError(
            f"{part.parent}: {free} bytes are free, about {2 * total - offset} are needed to download and unpack; "
            "free some space or choose another --data-root"
        )


def _note(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _origin(part: Path, url: str) -> Origin | None:
    """Return where a part comes from, or None if it cannot be resumed."""
    try:
        origin = Origin(**read_json(_note(part)))
    except (UsageError, TypeError):
        return None
    return origin if origin.url == url and origin.known else None
