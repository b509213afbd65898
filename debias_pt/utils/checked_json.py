"""JSON with a checksum in it, which finds a flipped bit wherever it is, and a file that somebody edited.

The checksum is the SHA-256 of the rest, as :func:`debias_pt.utils.fingerprint.digest` computes it. Files of older
versions have none and are believed.
"""

from __future__ import annotations

import errno
import json
import warnings
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from debias_pt.errors import DebiasWarning, FingerprintError, RunError
from debias_pt.utils.files import require_regular
from debias_pt.utils.fingerprint import digest

CHECKSUM, LINE_CHECKSUM = "sha256", "crc32"
LARGEST = 1 << 28  # bytes: the figures of 10,000 groups take a hundredth of it


def with_checksum(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with its checksum as the last field.

    Examples
    --------
    >>> without_checksum(with_checksum({"wga": 0.5}), "result.json")
    {'wga': 0.5}
    """
    plain = json.loads(json.dumps(value))  # as it will be read: keys are text, tuples are lists
    return {**value, CHECKSUM: digest(plain)}


def without_checksum(value: Mapping[str, Any], where: str | Path, *, edited: bool = False) -> dict[str, Any]:
    """Return an object without its checksum, if that is right or missing.

    Raises
    ------
    FingerprintError
        If it is wrong.

    Warns
    -----
    DebiasWarning
        If it is wrong and the file is one that people edit.
    """
    rest = {name: part for name, part in value.items() if name != CHECKSUM}
    if CHECKSUM in value and value[CHECKSUM] != digest(rest):
        if edited:
            warnings.warn(f"{where}: changed since it was written; it is taken as it is", DebiasWarning, stacklevel=3)
            return rest
        raise FingerprintError(
            f"{where}: damaged, or changed since it was written (its {CHECKSUM} is of other content); restore it, or "
            f"remove the line {CHECKSUM!r} if the change is meant"
        )
    return rest


class Fields(dict[str, Any]):
    """An object from a file; a field that is missing is a fault of the file, not of the program."""

    def __init__(self, fields: Mapping[str, Any], where: Path) -> None:
        super().__init__(fields if isinstance(fields, Mapping) else {})
        self.where = where

    def __missing__(self, name: str) -> NoReturn:
        raise RunError(f"{self.where}: has no field {name!r}, so debias-pt did not write it; restore it or train again")


def read_checked(path: Path, **kinds: type | tuple[type, ...]) -> Fields:
    """Read an object that was written with or without a checksum.

    Parameters
    ----------
    path : Path
        A regular file, not a pipe or a device, from which reading may never end.
    **kinds
        Types of fields, which are checked if they are there.

    Raises
    ------
    FingerprintError
        If it is damaged.
    RunError
        If it cannot be read or is nothing that we write: no object, too large, with NaN, fields of other types.
    """
    try:
        found = json.loads(read_regular(path), parse_constant=_no_number)
    except OSError as error:
        raise RunError(f"{path}: cannot read ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:
        raise FingerprintError(f"{path}: damaged, not a JSON file ({error}); restore it or train again") from error
    if not isinstance(found, dict):
        raise RunError(f"{path}: holds a {type(found).__name__}, an object expected; restore it or train again")
    return require_kinds(Fields(without_checksum(found, path), path), **kinds)


def require_kinds(fields: Fields, **kinds: type | tuple[type, ...]) -> Fields:
    """Raise :class:`~debias_pt.errors.RunError` if a field that is there has another type; return the fields."""
    for name, kind in kinds.items():
        if name in fields and not isinstance(fields[name], kind):
            seen = type(fields[name]).__name__
            raise RunError(
                f"{fields.where}: the field {name!r} is a {seen}, which debias-pt did not write; train again"
            )
    return fields


def read_regular(path: Path) -> str:
    """Return a file's text.

    Raises
    ------
    OSError
        If it is not a regular file, larger than any of ours, or cannot be read.
    ValueError
        If it is not UTF-8.
    """
    require_regular(path)
    size = path.stat().st_size
    if size > LARGEST:
        raise OSError(errno.EFBIG, f"it has {size:,} bytes, a file of a run at most {LARGEST:,}")
    return path.read_text(encoding="utf-8")


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def checked_lines(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return rows as JSON Lines, each with a checksum of its own: rows can be added later."""
    return "".join(json.dumps({**row, LINE_CHECKSUM: _crc(row)}) + "\n" for row in rows)


def read_checked_lines(path: Path, *, growing: bool = True) -> Iterator[dict[str, Any]]:
    """Yield the rows of JSON Lines.

    Parameters
    ----------
    path : Path
        The file; no rows if there is none.
    growing : bool
        Leave out a last line that does not end, as a kill cuts it short.

    Raises
    ------
    FingerprintError
        At a row that is damaged.
    """
    try:
        *lines, rest = read_regular(path).split("\n") if path.exists() else [""]
    except (OSError, ValueError) as error:
        raise FingerprintError(f"{path}: damaged or unreadable ({error}); restore or delete it") from error
    for number, line in enumerate(lines if growing or not rest else [*lines, rest], start=1):
        try:
            row = json.loads(line)
            if not isinstance(row, dict) or row.pop(LINE_CHECKSUM, None) not in (None, _crc(row)):
                raise ValueError("it has another checksum")
        except (ValueError, RecursionError) as error:
            raise FingerprintError(f"{path}: line {number} is damaged ({error}); restore or delete the file") from error
        yield row


def _crc(row: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(row).encode())
