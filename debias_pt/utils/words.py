"""Words of messages: numbers with their noun, percentages, long texts cut between words, control characters escaped."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Control characters, and those that turn the direction of what follows.
UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def counted(number: float, noun: str, plural: str = "") -> str:
    """Return a number with its noun, in the singular for one.

    Examples
    --------
    >>> counted(1, "problem"), counted(0, "problem"), counted(2, "class", "classes")
    ('1 problem', '0 problems', '2 classes')
    """
    return f"{number:g} {noun}" if number == 1 else f"{number:g} {plural or noun + 's'}"


def first_of(names: Sequence[str], most: int = 8) -> str:
    """Join names by commas, and say how many of a long list are left out.

    Examples
    --------
    >>> first_of(["cat", "dog", "cow"], most=2)
    'cat, dog and 1 more'
    """
    left = len(names) - most
    return ", ".join(names) if left <= 0 else f"{', '.join(names[:most])} and {left} more"


def shortened(text: str, most: int) -> str:
    """Cut a long text before the word that no longer fits, and mark the cut.

    Examples
    --------
    >>> shortened("size mismatch for visual.proj", 20), shortened("short", 20)
    ('size mismatch for...', 'short')
    """
    text = " ".join(text.split())
    if len(text) <= most:
        return text
    cut = text[: most - 2].rpartition(" ")[0] or text[: most - 3]
    return f"{cut}..."


def percent(value: float | None) -> str:
    """Return a fraction as a percentage with one decimal.

    Examples
    --------
    >>> percent(0.6715), percent(None)
    ('67.2', '-')
    """
    return "-" if value is None else f"{100 * value:.1f}"


def percent_range(ends: Sequence[float] | None, missing: str = "-") -> str:
    """Return an interval as percentages; `missing` where there is none.

    Examples
    --------
    >>> percent_range([0.25, 0.5]), percent_range(None)
    ('25.0 to 50.0', '-')
    """
    return missing if ends is None else f"{percent(ends[0])} to {percent(ends[1])}"


def escaped(text: str, keep: str = "") -> str:
    r"""Return a text with control characters written out, except those in `keep`: a name must not run the terminal.

    Examples
    --------
    >>> print(escaped("red \x1b[31m"))
    red \x1b[31m
    """
    return UNPRINTABLE.sub(
        lambda found: found[0] if found[0] in keep else found[0].encode("unicode_escape").decode(), text
    )
