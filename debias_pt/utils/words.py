"""Words of messages: numbers with their noun, long lists and texts cut between words."""

from __future__ import annotations

from collections.abc import Sequence


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
