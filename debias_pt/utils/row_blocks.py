"""Rows of a large array, some at a time: what is computed from them does not need all of it in memory."""

from __future__ import annotations

from collections.abc import Iterator

ROWS_AT_A_TIME = 8192


def row_blocks(n: int) -> Iterator[slice]:
    """Yield slices of up to ``ROWS_AT_A_TIME`` rows that cover `n` rows in order.

    Examples
    --------
    >>> list(row_blocks(10_000))
    [slice(0, 8192, None), slice(8192, 10000, None)]
    """
    for first in range(0, n, ROWS_AT_A_TIME):
        yield slice(first, min(first + ROWS_AT_A_TIME, n))
