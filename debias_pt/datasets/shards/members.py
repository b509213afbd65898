"""Reading a tar file from its beginning to its end, and telling one that ends too early."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from typing import Any, NamedTuple

from debias_pt.errors import DatasetError, DebiasError
from debias_pt.utils.stores.access import information, read_bytes
from debias_pt.utils.stores.addresses import is_remote, shown

BLOCK = 1 << 23  # bytes of one request


class Packed(NamedTuple):
    """A file in a shard: its name, where its content begins, and the content."""

    name: str
    start: int
    content: bytes


class _CutError(Exception):
    """The file ends, or its headers break, before the mark of the end."""


class _Header(tarfile.TarInfo):
    """A header; a missing or broken one is an error, where tarfile takes it for the end."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Header:
        if len(buf) < tarfile.BLOCKSIZE:
            raise _CutError("it ends without the mark of the end")
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if any(buf):
                raise _CutError(f"{error}") from error
            raise  # zeros: the end


def members(shard: str) -> Iterator[Packed]:
    """Yield the files in a shard, in their order.

    Parameters
    ----------
    shard : str
        Path or address of a tar file that is not compressed.

    Raises
    ------
    DatasetError
        If it is cut or damaged, or holds a link or device; names the shard, and the last file before that.
    """
    last = ""
    try:
        with (
            _opened(shard) as stream,
            tarfile.open(fileobj=stream, mode="r|", tarinfo=_Header, bufsize=tarfile.RECORDSIZE) as tar,
        ):
            for info in tar:
                last = info.name
                if info.isdir():
                    continue
                content = tar.extractfile(info) if info.isreg() else None
                if content is None:
                    raise DatasetError(f"{shown(shard)}: {info.name!r} is a link or device; only files are read")
                yield Packed(info.name, info.offset_data, content.read())
    except DebiasError:
        raise
    except Exception as error:  # tarfile raises many kinds on damaged input
        where = f"in or after {last!r}" if last else "at its beginning"
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DatasetError(
            f"{shown(shard)}: cut or damaged {where} ({reason}); copy this shard again: what was encoded is kept"
        ) from error


def _opened(shard: str) -> Any:
    if not is_remote(shard):
        return open(shard, "rb")
    info = information(shard)
    if info is None:
        raise DatasetError(f"{shown(shard)}: no such shard; check its name")
    size = info.get("size")
    return io.BytesIO(read_bytes(shard)) if size is None else io.BufferedReader(_Stream(shard, size), BLOCK)


class _Stream(io.RawIOBase):
    """A file in a store, read block by block; each block is asked for again if a fault came between."""

    def __init__(self, address: str, size: int) -> None:
        self.address, self.size, self.place = address, size, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        end = min(self.place + len(buffer), self.size)
        if end == self.place:
            return 0
        found = read_bytes(self.address, self.place, end)
        buffer[: len(found)] = found
        self.place = end
        return len(found)
