"""A verdict on groups that nobody annotated: usable, doubtful or not usable, with numbers and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

USABLE, DOUBTFUL, NOT_USABLE = "usable", "doubtful", "not usable"
ORDER = (USABLE, DOUBTFUL, NOT_USABLE)


@dataclass(frozen=True)
class Verdict:
    """What is said of one attribute, or of inferred values.

    Parameters
    ----------
    verdict : {"usable", "doubtful", "not usable"}
    reasons : tuple of str
        Why not usable without reserve; empty if it is.
    advice : str
        What to do.
    numbers : dict
        Plain JSON, see :func:`~debias_pt.groups.guard.judge` and
        :func:`~debias_pt.groups.inferred_verdict.judge_numbers`.
    """

    verdict: str
    reasons: tuple[str, ...]
    advice: str
    numbers: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as plain JSON."""
        return {**asdict(self), "reasons": list(self.reasons)}


def overall(verdicts: Mapping[str, Verdict]) -> str:
    """Return the worst of several verdicts.

    Examples
    --------
    >>> overall({"place": Verdict("usable", (), "", {}), "size": Verdict("doubtful", ("...",), "", {})})
    'doubtful'
    """
    return max((one.verdict for one in verdicts.values()), key=ORDER.index)
