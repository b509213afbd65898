"""Whether an attribute is found again in resampled images: with the same values, of the same classes, as well seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from debias_pt.discovery.embedding import Array
from debias_pt.discovery.fit import fits, not_seen
from debias_pt.discovery.head_errors import HeadErrors, sum_up
from debias_pt.discovery.poles import Poles, find_poles
from debias_pt.discovery.reading import ReadAttribute, Reading

RESAMPLES = 50
MOST_ROWS = 20_000  # of a resample


def found_again(
    whole: ReadAttribute, poles: Poles, reading: Reading, x: Array, y: NDArray[np.int64], errors: HeadErrors
) -> float:
    """Return the share of bootstrap resamples of the images in which an attribute is found again.

    That is: its classes go with the same values, and its words are seen by the same rules. The heads are not fitted
    again; whether errors carry it is for the interval of the errors explained to say.

    Parameters
    ----------
    whole : ReadAttribute
        With all its values, so that others can be chosen.
    poles : Poles
        What was found on all images.
    reading : Reading
    x : ndarray, shape (N, D)
    y : ndarray of int, shape (N,)
    errors : HeadErrors
    """
    rng, classes, hits = np.random.default_rng(0), len(errors.class_means), 0
    for _ in range(RESAMPLES):
        rows = rng.choice(len(y), min(len(y), MOST_ROWS))
        if len(np.unique(y[rows])) < classes:
            continue
        again = sum_up(x[rows], y[rows], errors.predicted[rows], errors.head, few=1)
        other = find_poles(whole, reading, again)
        hits += other is not None and other.same(poles) and not not_seen(fits(other, reading, x[rows], y[rows], again))
    return hits / RESAMPLES
