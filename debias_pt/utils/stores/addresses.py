"""Addresses of files: those in stores told from paths, and shown without what would open them to others."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from debias_pt.errors import UsageError

REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
MEMBER = re.compile(r"(.+\.tar)::(\d+)\+(\d+)::(.+)", re.IGNORECASE | re.DOTALL)
SECRET = re.compile(
    r"x-(amz|goog|ms)-.*|.*(signature|token|secret|password|passwd|credential|api_?key|access_?key).*"
    r"|key|auth|authorization|awsaccesskeyid|googleaccessid|expires|policy|key-pair-id",
    re.IGNORECASE,
)
# Parameters of a signature for Azure's store, told by "sig" among them.
AZURE = frozenset("sv ss srt sr sp se st spr sip skoid sktid skt ske sks skv sig saoid suoid scid sdd".split())  # noqa: SIM905


class Member(NamedTuple):
    """A file inside a tar file: where it begins there, its size in bytes, and its name."""

    shard: str
    start: int
    size: int
    name: str

    def __str__(self) -> str:
        return f"{self.shard}::{self.start}+{self.size}::{self.name}"


def is_remote(text: str) -> bool:
    """Tell an address in a store from a path.

    Examples
    --------
    >>> is_remote("s3://bucket/a.jpg"), is_remote("photos/a.jpg"), is_remote("C:/a.jpg")
    (True, False, False)
    """
    return "://" in text and REMOTE.match(text) is not None


def is_web(text: str) -> bool:
    """Tell whether an address is one of HTTP, whose names are quoted and which has no folders."""
    return text.lower().startswith(("http://", "https://"))


def member_of(text: str) -> Member | None:
    """Return what an address of a file inside a tar file says; None for any other.

    Examples
    --------
    >>> member_of("s3://bucket/a.tar::512+2000::1.jpg").start
    512
    """
    match = MEMBER.fullmatch(text) if "::" in text else None
    return Member(match[1], int(match[2]), int(match[3]), match[4]) if match else None


def is_file_here(text: str) -> bool:
    """Tell whether a file is one of this machine, to be opened by its path."""
    return not is_remote(text) and member_of(text) is None


def shown(text: str) -> str:
    """Return an address without password and signature; of a file in a tar file only the names.

    Examples
    --------
    >>> shown("https://me:secret@host/a.jpg?size=2&X-Amz-Signature=1f")
    'https://host/a.jpg?size=2'
    >>> shown("a.tar::512+2000::1.jpg"), shown("photos/a.jpg")
    ('a.tar/1.jpg', 'photos/a.jpg')
    """
    member = member_of(text)
    if member is not None:
        return f"{shown(member.shard)}/{member.name}"
    if not is_remote(text):
        return text
    scheme, _, rest = text.partition("://")
    host, slash, path = rest.partition("/")
    path, mark, query = path.partition("?") if is_web(text) else (path, "", "")
    kept = _harmless(query)
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}{mark if kept else ''}{kept}"


def _harmless(query: str) -> str:
    parts = [part for part in query.split("&") if part]
    names = {part.partition("=")[0].lower() for part in parts}
    dropped = AZURE if "sig" in names else frozenset[str]()
    kept = [part for part in parts if not SECRET.fullmatch(name := part.partition("=")[0]) and name not in dropped]
    return "&".join(kept)


def require_open(text: str) -> str:
    """Return an address that may be saved.

    Raises
    ------
    UsageError
        If it carries a password or a signature.
    """
    if shown(text) != text:
        raise UsageError(
            f"{shown(text)}: the address carries a password or a signature, which would be saved with the run; put "
            "credentials where the store looks for them (docs/object-stores.md)"
        )
    return text


def is_shards(text: str) -> bool:
    """Tell whether a data set's name means tar files: ``a.tar``, ``a-{000..009}.tar``, several joined by ``::``.

    Examples
    --------
    >>> is_shards("train-{0000..0009}.tar::val.tar"), is_shards("photos"), is_shards("photos.tar.gz")
    (True, False, False)
    """
    return all(part.lower().endswith(".tar") for part in text.split("::"))


def absolute_place(text: str) -> str:
    """Return the place of a data set as it can be saved: an address as it is, a path from the root."""
    parts = text.split("::") if is_shards(text) else [text]
    return "::".join(require_open(part) if is_remote(part) else str(Path(part).resolve()) for part in parts)


def short_name(text: str) -> str:
    """Return what to call a data set by its place.

    Examples
    --------
    >>> short_name("s3://bucket/birds/"), short_name("birds-{000..009}.tar::x.tar"), short_name("a/photos.csv")
    ('birds', 'birds', 'photos.csv')
    """
    if is_shards(text):
        plain = re.sub(r"\{.*?\}|\*", "", text.split("::")[0].rsplit("/", 1)[-1])[: -len(".tar")]
        return plain.strip("-_. ") or "shards"
    if is_remote(text):
        return shown(text).partition("?")[0].rstrip("/").rsplit("/", 1)[-1]
    return Path(text).resolve().name  # "." has none of its own
