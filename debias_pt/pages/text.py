"""Somebody else's words on a page: shown as they are, whatever they hold."""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup

from debias_pt.utils.words import escaped

OPEN, CLOSE = "\u2068", "\u2069"  # what stands between them leaves the direction of its surroundings alone
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


def finalized(value: Any) -> Any:
    """Return a value for a template: a text with control characters written out, the marks of :func:`named` kept."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return escaped(value, keep=OPEN + CLOSE)
