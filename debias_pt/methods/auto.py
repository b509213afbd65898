"""Chooses by evidence: groups from words or from the images where they hold, else class balance with the same head."""

from __future__ import annotations

from debias_pt.groups.verdict import NOT_USABLE, USABLE, Verdict, overall
from debias_pt.methods import METHODS
from debias_pt.methods.base import Choice, Evidence, Method
from debias_pt.utils.registry import register

# The head and the rows of `anchored`, so that it is the groups alone that are left out.
SAME_HEAD = {"head": "standardized", "fit_on": "train+val"}


def choose(evidence: Evidence) -> Choice:
    """Return the method that the evidence supports, and why; without any, class balance.

    Examples
    --------
    >>> choose(Evidence()).method, choose(Evidence()).why
    ('class-balanced', 'no attribute is named; no values were inferred')
    """
    if evidence.annotated:
        return Choice("anchored", "the groups are annotated")
    words = bool(evidence.words) and overall(evidence.words) != NOT_USABLE
    images = evidence.inferred is not None and evidence.inferred.verdict == USABLE
    why = "; ".join([*_said_of_words(evidence), *_said_of_images(evidence.inferred)])
    if words:
        # There is one inferred value: with several attributes it would split groups by one of them at random.
        return Choice("anchored", why, {"infer_groups": images and len(evidence.words) == 1})
    if images:
        return Choice("inferred", why)
    return Choice("class-balanced", why, SAME_HEAD)


def _said_of_words(evidence: Evidence) -> list[str]:
    if not evidence.words:
        return ["no attribute is named"]
    worst = overall(evidence.words)
    named = [name for name, one in evidence.words.items() if one.verdict == worst]
    reasons = dict.fromkeys(reason for name in named for reason in evidence.words[name].reasons)
    return [f"the guard calls {' and '.join(named)} {worst}{_because(tuple(reasons))}"]


def _said_of_images(verdict: Verdict | None) -> list[str]:
    if verdict is None:
        return ["no values were inferred"]
    return [f"values inferred from the images are {verdict.verdict}{_because(verdict.reasons)}"]


def _because(reasons: tuple[str, ...]) -> str:
    return f" ({'; '.join(reasons)})" if reasons else ""


AUTO = register(METHODS, "auto")(Method(choose=choose, candidates=("anchored", "inferred", "class-balanced")))
