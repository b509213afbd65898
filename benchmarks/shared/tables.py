"""Tables as header and lines, for terminals and Markdown."""

from __future__ import annotations

from collections.abc import Sequence

Table = tuple[list[str], list[list[str]]]  # header, lines


def markdown_table(header: Sequence[str], lines: Sequence[Sequence[str]], left: int = 2) -> str:
    """Return one table as Markdown, the first `left` columns aligned left.

    Examples
    --------
    >>> print(markdown_table(["a", "b"], [["x", "1"]], left=1))
    | a | b |
    | --- | ---: |
    | x | 1 |
    """
    rule = ["---"] * left + ["---:"] * (len(header) - left)
    return "\n".join("| " + " | ".join(line) + " |" for line in (header, rule, *lines))


def percent(value: float | None) -> str:
    """Return a fraction in percent.

    Examples
    --------
    >>> percent(0.6715), percent(None)
    ('67.2', '-')
    """
    return "-" if value is None else f"{100 * value:.1f}"
