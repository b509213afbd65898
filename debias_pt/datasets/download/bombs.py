"""Archives that are small and unpack to more than a disk holds are refused by what they unpack to."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import IO

from debias_pt.errors import FetchError

# An archive that unpacks to more than this is a bomb: photographs hardly shrink, tables at most twentyfold.
MOST_TIMES, ALWAYS_BYTES = 100, 1 << 26
BYTES_PER_MEMBER, ALWAYS_MEMBERS = 50, 10_000  # packed, at least, beyond so many: images take far more
CHUNK = 1 << 20


@dataclass
class Budget:
    """What may still be unpacked of an archive of so many bytes.

    Examples
    --------
    >>> budget = Budget.of(1000)
    >>> budget.take(1 << 26)
    >>> budget.take(100_001)
    Traceback (most recent call last):
    debias_pt.errors.FetchError: the archive unpacks to more than 67,208,864 bytes, which is a bomb; nothing is kept
    """

    most: int
    left: int
    members: int

    @classmethod
    def of(cls, packed: int) -> Budget:
        """Return what an archive of this size may hold."""
        most = MOST_TIMES * packed + ALWAYS_BYTES
        return cls(most, most, packed // BYTES_PER_MEMBER + ALWAYS_MEMBERS)

    def take(self, size: int) -> None:
        """Count unpacked bytes.

        Raises
        ------
        FetchError
            If there are too many.
        """
        self.left -= size
        if self.left < 0:
            raise FetchError(f"the archive unpacks to more than {self.most:,} bytes, which is a bomb; nothing is kept")

    def take_member(self) -> None:
        """Count a member.

        Raises
        ------
        FetchError
            If there are too many.
        """
        self.members -= 1
        if self.members < 0:
            raise FetchError("the archive has more files than its size can hold, which is a bomb; nothing is kept")


class Counted:
    """A stream that counts what is read of it."""

    def __init__(self, stream: IO[bytes] | gzip.GzipFile, budget: Budget) -> None:
        self.stream, self.budget = stream, budget

    def read(self, size: int = CHUNK) -> bytes:
        """Return up to `size` bytes."""
        data = self.stream.read(size)
        self.budget.take(len(data))
        return data
