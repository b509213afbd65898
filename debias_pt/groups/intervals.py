"""Intervals of accuracies: over runs (Student), and over the images that were judged (Wilson)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

Floats = NDArray[np.float64]
ERROR = 0.05  # 95 % intervals
# Images on whose account runs are taken to agree: with few images their disagreement is not known well.
AGREEING_IMAGES = 4


def wilson_interval(correct: float, n: float) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of a share of right answers.

    Examples
    --------
    >>> [round(end, 3) for end in wilson_interval(8, 10)]
    [0.49, 0.943]
    """
    low, high = wilson_bounds(np.array(correct / n), np.array(n), ERROR / 2)
    return float(low), float(high)


def wilson_bounds(share: Floats, n: Floats, tail: float) -> tuple[Floats, Floats]:
    """Return Wilson's lower and upper bounds of shares of `n`, each wrong with probability `tail`."""
    z = float(ndtri(1 - tail))
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # Where none or all are right one end is exact, but for rounding.
    return np.where(share <= 0, 0.0, centre - half), np.where(share >= 1, 1.0, centre + half)


def student_interval(values: Floats) -> tuple[float, float]:
    """Return the 95 % interval of a mean over runs, from Student's t.

    Examples
    --------
    >>> [round(end, 3) for end in student_interval(np.array([0.6, 0.7, 0.8]))]
    [0.452, 0.948]
    """
    quantile = float(stdtrit(len(values) - 1, 1 - ERROR / 2))
    half = quantile * float(values.std(ddof=1) / np.sqrt(len(values)))
    return float(values.mean()) - half, float(values.mean()) + half


def effective_images(right: NDArray[np.bool_]) -> float:
    """Return how many images a single run would have to be judged on for its accuracy to be as sure as the mean's.

    The mean over runs that disagree varies less from one draw of images to another than one run does. With one run,
    or runs that agree on every image, this is the number of images.

    Parameters
    ----------
    right : ndarray of bool, shape (R, N)
        Whether each run is right about each image of a group.

    Examples
    --------
    >>> effective_images(np.array([[1, 1, 1, 0], [1, 1, 1, 0]], dtype=bool))
    4.0
    """
    n = right.shape[1]
    by_run = right.mean(axis=1)
    smoothed = (right.mean() * n + 2) / (n + 4)
    prior = AGREEING_IMAGES * smoothed * (1 - smoothed)
    of_mean, of_one = n * right.mean(axis=0).var(), n * (by_run * (1 - by_run)).mean()
    return float(n * (of_one + prior) / (of_mean + prior))


def contenders(accuracy: Floats, images: Floats) -> NDArray[np.bool_]:
    """Return which groups may be the worst: those whose intervals reach below the lowest upper end.

    Parameters
    ----------
    accuracy, images : ndarray of float, shape (G,)
        Accuracy of each group, and on how many (effective) images.
    """
    low, high = wilson_bounds(accuracy, images, ERROR / 2)
    return np.asarray(low <= high.min())


def worst_group_interval(accuracy: Floats, images: Floats) -> tuple[float, float]:
    """Return a 95 % interval over images of the worst group's accuracy, the mean over runs.

    The lowest of several accuracies is too low by chance alone, since chance also chooses the group. So the interval
    goes from the lowest of the groups' lower ends to the lowest of their upper ends, each wrong with a probability
    of ``0.05 / max(2, m)``, where m groups may be the worst (see :func:`contenders`): of m groups that are equally
    bad, none may have its upper end below the truth. Where m is 1 or 2 this is Wilson's interval of one group.

    Parameters
    ----------
    accuracy : ndarray of float, shape (R, G)
        Accuracy of each run on each group.
    images : ndarray of float, shape (G,)
        Images of each group, from :func:`effective_images`.

    Examples
    --------
    >>> [round(end, 3) for end in worst_group_interval(np.array([[0.5, 0.9]]), np.array([100.0, 100.0]))]
    [0.404, 0.596]
    >>> [round(end, 3) for end in worst_group_interval(np.full((1, 4), 0.5), np.full(4, 100.0))]
    [0.391, 0.609]
    """
    mean = accuracy.mean(axis=0)
    tail = ERROR / max(2, int(contenders(mean, images).sum()))
    low, _ = wilson_bounds(accuracy, images, tail)
    _, high = wilson_bounds(mean, images, tail)
    return float(low.min(axis=1).mean()), float(high.min())
