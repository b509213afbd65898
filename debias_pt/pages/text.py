"""Somebody else's words on a page: shown as they are, whatever they hold."""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup

OPEN, CLOSE = "\u2068", "\u2069"  # what stands between them leaves the direction of its surroundings alone
UNSHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066\u2067\ud800-\udfff]")
DIRECTED = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]")  # letters written from right to left


def named(text: str) -> str:
    r"""Return somebody else's words for use in a sentence: words written from right to left leave it in order.

    Examples
    --------
    >>> named("landbird")
    'landbird'
    >>> named("\u05e2\u05d5\u05e3") == OPEN + "\u05e2\u05d5\u05e3" + CLOSE
    True
    """
    text = text.replace(OPEN, r"\u2068").replace(CLOSE, r"\u2069")
    return f"{OPEN}{text}{CLOSE}" if DIRECTED.search(text) else text


def shown(value: Any) -> Any:
    r"""Return a text with control characters, and characters that are none, written out.

    Examples
    --------
    >>> print(shown("red \x1b[31m"))
    red \x1b[31m
    """
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return UNSHOWN.sub(lambda found: found[0].encode("unicode_escape").decode(), value)
