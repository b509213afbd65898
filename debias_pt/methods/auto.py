"""Chooses by the guard's verdict: ``anchored`` where words may make groups, else ``inferred``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from debias_pt.methods import METHODS
from debias_pt.methods.base import Method
from debias_pt.utils.registry import register

if TYPE_CHECKING:
    from debias_pt.groups.guard import Verdict


def choose(verdicts: Mapping[str, Verdict], annotated: bool = False) -> tuple[str, str]:
    """Return the method that verdicts support, and why.

    Examples
    --------
    >>> choose({})
    ('inferred', 'no attribute is named')
    """
    from debias_pt.groups.guard import NOT_USABLE, overall

    if annotated:
        return "anchored", "the groups are annotated"
    if not verdicts:
        return "inferred", "no attribute is named"
    worst = overall(verdicts)
    named = [name for name, one in verdicts.items() if one.verdict == worst]
    why = f"the guard calls {' and '.join(named)} {worst}"
    if worst != NOT_USABLE:
        return "anchored", why
    reasons = "; ".join(dict.fromkeys(reason for name in named for reason in verdicts[name].reasons))
    return "inferred", f"{why}{f' ({reasons})' if reasons else ''}"


AUTO = register(METHODS, "auto")(Method(choose=choose, candidates=("anchored", "inferred")))
