"""Claims about an experiment's points, and what paired differences over seeds say about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.groups.intervals import student_interval

Place = tuple[str, str]  # series and x
SHOWN, CONTRADICTED, OPEN = "shown", "contradicted", "open"
Values = Mapping[Place, Sequence[float]]  # of every seed


@dataclass(frozen=True)
class Claim:
    """One point's value is above another's.

    Parameters
    ----------
    text : str
        In words.
    higher, lower : (str, str)
        Series and x of the two points.
    since : str, optional
        What is compared is the change from this x, not the value.
    otherwise : str
        A likely reason if the difference points the other way; shown only then.
    """

    text: str
    higher: Place
    lower: Place
    since: str | None = None
    otherwise: str = ""

    def places(self) -> list[Place]:
        """Return all points it is about."""
        return [*(place for place in (self.higher, self.lower)), *self._before()]

    def difference(self, values: Values) -> NDArray[np.float64]:
        """Return higher minus lower of every seed."""
        found = np.subtract(values[self.higher], values[self.lower])
        if self.since is not None:
            before = self._before()
            found = found - np.subtract(values[before[0]], values[before[1]])
        return np.asarray(found, dtype=np.float64)

    def _before(self) -> list[Place]:
        return [] if self.since is None else [(place[0], self.since) for place in (self.higher, self.lower)]


def finding(claim: Claim, values: Values) -> dict[str, Any] | None:
    """Return the paired difference over seeds, its interval and a verdict; None if a point is missing.

    The verdict is ``shown`` where the 95 % interval (Student's t) of the mean difference lies above 0,
    ``contradicted`` where it lies below, else ``open``; one seed has no interval.

    Examples
    --------
    >>> claim = Claim("a is above b", ("a", ""), ("b", ""))
    >>> finding(claim, {("a", ""): [0.8, 0.9, 0.8], ("b", ""): [0.5, 0.5, 0.5]})["verdict"]
    'shown'
    """
    if any(place not in values for place in claim.places()):
        return None
    each = claim.difference(values)
    interval = list(student_interval(each)) if len(each) > 1 else None
    verdict = verdict_of(interval)
    return {
        "claim": claim.text,
        "difference": float(each.mean()),
        "interval": interval,
        "verdict": verdict,
        "likely_reason": claim.otherwise if each.mean() <= 0 else "",
    }


def findings(experiment: str, claims: Sequence[Claim], points: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what an experiment's points say about its claims, without claims about missing points."""
    values = {(point["series"], point["x"]): point["per_seed"] for point in points}
    found = [finding(claim, values) for claim in claims]
    return [{"experiment": experiment, **each} for each in found if each is not None]


def verdict_of(interval: Sequence[float] | None) -> str:
    """Return what the interval of a difference says.

    Examples
    --------
    >>> verdict_of([0.01, 0.02]), verdict_of([-0.02, -0.01]), verdict_of([-0.01, 0.01]), verdict_of(None)
    ('shown', 'contradicted', 'open', 'open')
    """
    if interval is None:
        return OPEN
    return SHOWN if interval[0] > 0 else CONTRADICTED if interval[1] < 0 else OPEN
