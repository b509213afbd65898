"""Which of many groups a table for people shows: the worst, while files for programs have all."""

from __future__ import annotations

from collections.abc import Sequence

MOST, WORST = 40, 10  # groups that are all shown; of more, so many


def worst_places(values: Sequence[float | None]) -> list[int]:
    """Return which groups to show: all in their order, or of more than 40 the 10 with the lowest values.

    Groups without a value, those without an image, are only shown where all are.

    Examples
    --------
    >>> worst_places([0.5, None, 0.25])
    [0, 1, 2]
    >>> worst_places([0.5, None, *[1.0] * 50, 0.25])[:3]
    [52, 0, 2]
    """
    if len(values) <= MOST:
        return list(range(len(values)))
    known = [(value, place) for place, value in enumerate(values) if value is not None]
    return [place for _, place in sorted(known)[:WORST]]


def left_out_text(values: Sequence[float | None], *, what: str = "worst", where: str = "--json has") -> str:
    """Say how many groups :func:`worst_places` leaves out, and where they are; nothing if it has all.

    Examples
    --------
    >>> left_out_text([0.5, None, *[1.0] * 198])
    'The 10 worst of 200 groups, and 190 more (1 without an image): --json has all.'
    """
    n, shown = len(values), len(worst_places(values))
    if shown == n:
        return ""
    empty = sum(value is None for value in values)
    without = f" ({empty} without an image)" if empty else ""
    return f"The {shown} {what} of {n} groups, and {n - shown} more{without}: {where} all."
