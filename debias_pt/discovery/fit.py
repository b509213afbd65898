"""Whether a model sees an attribute in the images: phrases fit their value's images, only those, and best of all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.discovery.embedding import Array
from debias_pt.discovery.head_errors import HeadErrors
from debias_pt.discovery.poles import Poles, differences
from debias_pt.discovery.reading import Reading

OWN, PHRASE = 0.88, 0.8  # share of everyday words that fit less: than a value, and than each of its phrases
ODDS = 2.5  # of fitting the value's images against fitting the others
NEIGHBOR = 0.4  # correlation within classes above which an everyday word divides the images alike
NEARER = 0.25  # share of these neighbors that may fit better
FEW = 5  # images of a class and value that a mean can rest on


@dataclass(frozen=True)
class ValueFit:
    """How the words of one value fit, each a share of the everyday words.

    Parameters
    ----------
    own : float
        Of those that fit the value's images less than the value does, in the class where it fits least.
    other : float
        The same in images of the other values; the mean over classes.
    worst_phrase : float
        The same in the value's images, of the phrase that fits least; the mean over classes.
    nearer : float
        Share of the words that divide the images alike and that fit the value's images better.
    """

    own: float
    other: float
    worst_phrase: float
    nearer: float

    @property
    def odds(self) -> float:
        """The odds of `own` against those of `other`."""
        own, other = np.clip([self.own, self.other], 0.005, 0.995)
        return float(own / (1 - own) / (other / (1 - other)))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {
            "own": self.own,
            "other": self.other,
            "worst_phrase": self.worst_phrase,
            "nearer": self.nearer,
        }


def fits(poles: Poles, reading: Reading, x: Array, y: NDArray[np.int64], errors: HeadErrors) -> tuple[ValueFit, ...]:
    """Measure the fit of every value on the images that are answered with it, and on the others.

    Parameters
    ----------
    poles : Poles
    reading : Reading
    x : ndarray, shape (N, D)
        Training features.
    y : ndarray of int, shape (N,)
    errors : HeadErrors
    """
    answers = poles.answers(x, y).argmax(axis=1)
    apart = differences(poles.directions)
    everyday = reading.directions(reading.embedded)
    spread = errors.std_along(everyday)
    found = []
    for v, (phrases, names) in enumerate(zip(poles.read.phrases, poles.read.attribute.values.values(), strict=True)):
        own, other = _means(x, y, answers == v), _means(x, y, answers != v)
        if not len(own) or not len(other):
            found.append(ValueFit(0.0, 1.0, 0.0, 1.0))
            continue
        center = poles.read.centers[v : v + 1]
        alike = everyday @ errors.covariance @ apart[v] / (spread * errors.std_along(apart[v : v + 1])[0])
        neighbors = (alike > NEIGHBOR) & ~np.isin(reading.words, names)
        middle = own.mean(axis=0)
        better = reading.embedded[neighbors] @ middle > float(middle @ center[0])
        found.append(
            ValueFit(
                float(reading.share_below(own, center).min()),
                float(reading.share_below(other, center).mean()),
                float(reading.share_below(own, phrases).mean(axis=0).min()),
                float(better.mean()) if len(better) else 0.0,
            )
        )
    return tuple(found)


def not_seen(found: tuple[ValueFit, ...]) -> list[str]:
    """Return which of the rules a fit breaks, in words."""
    reasons = []
    if min(one.own for one in found) < OWN or min(one.worst_phrase for one in found) < PHRASE:
        reasons.append("its words do not fit the images")
    if min(one.odds for one in found) < ODDS:
        reasons.append("its words fit the other images as well")
    if max(one.nearer for one in found) > NEARER:
        reasons.append("words of another meaning fit better")
    return reasons


def _means(x: Array, y: NDArray[np.int64], mask: NDArray[np.bool_]) -> Array:
    """Return the mean feature of the marked images of each class that has five or more, shape ``(C, D)``."""
    rows = [x[mask & (y == k)] for k in np.unique(y)]
    return np.array([one.mean(axis=0) for one in rows if len(one) >= FEW]).reshape(-1, x.shape[1])
