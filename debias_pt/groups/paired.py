"""Is one method better than another? Differences over the same images and the same seeds, with intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from debias_pt.errors import UsageError
from debias_pt.groups.intervals import ERROR, contenders, effective_images

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """How much more accurate one method is than another.

    Parameters
    ----------
    mean : float
        The difference over these runs and images.
    interval : tuple of float
        Of 95 %, for other seeds and other images; with one seed, for other images only.
    """

    mean: float
    interval: tuple[float, float]

    def to_dict(self) -> dict[str, object]:
        """Return it as plain JSON."""
        return {"mean": self.mean, "ci": list(self.interval)}


def average_difference(right: Bools, other: Bools) -> Difference:
    """Return the difference in average accuracy between two methods.

    Images and seeds are crossed: each image is judged by all runs. The variance of the mean is that over images, plus
    that over seeds, less what both contain; degrees of freedom are Satterthwaite's. Of 2 n discordant answers half
    a one each way is added, so that methods that agree on a few images are not taken for equal (Agresti and Min, 2005).

    Parameters
    ----------
    right, other : ndarray of bool, shape (R, N) or (1, N)
        Whether each run of the two methods is right about each image. Runs of the same place have the same seed.

    Raises
    ------
    UsageError
        If the two are not of the same images and seeds.

    Examples
    --------
    >>> one, other = np.array([[1, 1, 1, 1]], dtype=bool), np.array([[1, 1, 0, 0]], dtype=bool)
    >>> average_difference(one, other).mean
    0.5
    """
    difference = np.subtract(*_paired(right, other))
    images, rest = _variances(difference)
    by_run = difference.mean(axis=1)
    half = _half_width(images, _over_seeds(by_run), rest, difference.shape, ERROR / 2)
    mean = float(by_run.mean())
    return Difference(mean, _possible(mean - float(half), mean + float(half)))


def worst_group_difference(right: Bools, other: Bools, index: NDArray[np.int64]) -> Difference:
    """Return the difference in worst-group accuracy between two methods, the mean over seeds.

    It is ``min over g of max over h`` of the differences between the one method in group g and the other in group h;
    so are its ends, from the ends of these differences, each wrong with a probability of ``0.05 / max(2, m)``, where
    m is the larger number of groups that may be the worst of a method. Conservative where both methods have several.

    Parameters
    ----------
    right, other : ndarray of bool, shape (R, N) or (1, N)
        As of :func:`average_difference`.
    index : ndarray of int, shape (N,)
        The group of each image.
    """
    one, two = _paired(right, other)
    inside = [index == g for g in np.unique(index)]
    a, b = (np.array([rows[:, group].mean(axis=1) for group in inside]) for rows in (one, two))  # (G, R)
    images, rest = _pair_variances(one, two, inside)
    difference = a[:, None] - b[None]  # (G, G, R)
    m = max(_n_contenders(rows, inside) for rows in (one, two))
    n = np.array([int(group.sum()) for group in inside])
    shape = (one.shape[0], np.minimum(n[:, None], n))
    half = _half_width(images, _over_seeds(difference), rest, shape, ERROR / max(2, m))[..., None]
    low, high = ((difference + end).max(axis=1).min(axis=0).mean() for end in (-half, half))
    return Difference(float((a.min(axis=0) - b.min(axis=0)).mean()), _possible(float(low), float(high)))


def _possible(low: float, high: float) -> tuple[float, float]:
    """Cut an interval to the differences there can be: with one image in a group Student's quantile knows no bounds."""
    return max(-1.0, low), min(1.0, high)


def _paired(right: Bools, other: Bools) -> tuple[Floats, Floats]:
    """Return both as numbers of one shape; a method without seeds is the same run for all."""
    same_runs = len(right) == len(other) or 1 in (len(right), len(other))
    if right.shape[1] != other.shape[1] or not same_runs:
        raise UsageError(
            f"answers have shapes {right.shape} and {other.shape}; a difference needs the same images and seeds"
        )
    one, two = np.broadcast_arrays(right.astype(np.float64), other.astype(np.float64))
    return one, two


def _variances(values: Floats) -> tuple[float, float]:
    """Return the variance of a mean of values ``(R, N)`` over images, and the part of it that is neither's own."""
    runs, n = values.shape
    each = values.mean(axis=0)
    over_images = (float(((each - each.mean()) ** 2).sum()) + 1) / (n * (n + 2))
    rest = values - each - values.mean(axis=1, keepdims=True) + values.mean()
    return over_images, float((rest**2).sum()) / (max(runs - 1, 1) * max(n - 1, 1) * runs * n)


def _pair_variances(one: Floats, two: Floats, inside: list[Bools]) -> tuple[Floats, Floats]:
    """Return :func:`_variances` of one method in group g less the other in group h, each ``(G, G)``."""
    a, b = (np.array([_variances(rows[:, group]) for group in inside]) for rows in (one, two))
    both = a[:, None] + b[None]  # of different groups: different images
    for g, group in enumerate(inside):
        both[g, g] = _variances(one[:, group] - two[:, group])
    return both[..., 0], both[..., 1]


def _over_seeds(by_run: Floats) -> Floats:
    """Return the variance of a mean over its last axis; 0 where there is one run."""
    runs = by_run.shape[-1]
    return np.asarray(by_run.var(axis=-1, ddof=1) / runs if runs > 1 else np.zeros(by_run.shape[:-1]))


def _half_width(
    images: Floats | float, seeds: Floats, rest: Floats | float, shape: tuple[int, NDArray[np.int64] | int], tail: float
) -> Floats:
    """Return Student's quantile times the standard error of a mean over ``R x N`` crossed images and seeds."""
    runs, n = shape
    total = np.maximum(np.maximum(images + seeds - rest, images), seeds)
    freedom = total**2 / (images**2 / np.maximum(np.asarray(n) - 1, 1) + seeds**2 / max(runs - 1, 1))
    return np.asarray(stdtrit(freedom, 1 - tail) * np.sqrt(total))


def _n_contenders(rows: Floats, inside: list[Bools]) -> int:
    mean = np.array([rows[:, group].mean() for group in inside])
    images = np.array([effective_images(rows[:, group] > 0) for group in inside])
    return int(contenders(mean, images).sum())
