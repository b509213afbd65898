"""Which values of an attribute the classes go with, and how much a head's errors carry them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from debias_pt.discovery.embedding import Array
from debias_pt.discovery.head_errors import HeadErrors
from debias_pt.discovery.reading import ReadAttribute, Reading

FITS = 0.8  # share of everyday words that fit a class less than a value that it goes with


@dataclass(frozen=True)
class Poles:
    """An attribute cut down to the values that classes go with.

    Parameters
    ----------
    read : ReadAttribute
        With V values, two or more.
    goes_with : ndarray of int, shape (K,)
        The value of each class; -1 for none.
    directions : ndarray, shape (V, D)
        Of the values, see :meth:`~debias_pt.discovery.reading.Reading.directions`.
    effect : float
        By how many standard deviations errors from class k to class j lie nearer to j's value, and farther from k's,
        than the right answers of k do: the mean over pairs of classes, weighted by the root of the number of errors.
        Pairs of one value count as zero. For one pair it is the score of B2T (Kim et al., 2024, arXiv 2301.11104) on
        cross-fitted errors, in units of spread.
    contrast : float
        By how many standard deviations the classes of these pairs differ.
    """

    read: ReadAttribute
    goes_with: NDArray[np.int64]
    directions: Array
    effect: float
    contrast: float

    @property
    def score(self) -> float:
        """The lower of effect and contrast: both are needed."""
        return min(self.effect, self.contrast)

    def same(self, other: Poles) -> bool:
        """Tell whether these are the same values of the same classes."""
        return self.named_classes() == other.named_classes()

    def named_classes(self) -> list[str | None]:
        """Return the value's name for each class."""
        names = list(self.read.attribute.values)
        return [names[v] if v >= 0 else None for v in self.goes_with.tolist()]

    def answers(self, x: Array, y: NDArray[np.int64]) -> Array:
        """Return scores ``(N, V)`` of images, the value with the highest being the answer.

        A model prefers some words whatever the image shows. So scores are centered where the values balance: at the
        mean over values of the mean over the classes that go with each.
        """
        scores = x @ self.read.centers.T
        by_class = np.stack([scores[y == k].mean(axis=0) for k in range(len(self.goes_with))])
        own = [by_class[self.goes_with == v].mean(axis=0) for v in range(len(self.read.phrases))]
        found: Array = scores - np.mean(own, axis=0)
        return found


def find_poles(whole: ReadAttribute, reading: Reading, errors: HeadErrors) -> Poles | None:
    """Choose for each class the value it goes with, and measure; None if the classes do not go with two values.

    A class goes with the value in which it exceeds the other classes most, among the values that fit it better than
    four fifths of the everyday words.

    Parameters
    ----------
    whole : ReadAttribute
        With all its values.
    reading : Reading
    errors : HeadErrors
    """
    directions = reading.directions(whole.centers)
    along = errors.class_means @ directions.T
    apart = (along - along.mean(axis=0)) / errors.std_along(directions)
    fits = reading.share_below(errors.class_means, whole.centers) >= FITS
    chosen = np.where(fits & (apart > 0), apart, -np.inf)
    value = np.where(np.isfinite(chosen.max(axis=1)), chosen.argmax(axis=1), -1)
    used = np.unique(value[value >= 0])
    if len(used) < 2:
        return None
    goes_with = np.where(value >= 0, np.searchsorted(used, value), -1)
    effect, contrast = effect_of(directions[used], goes_with, errors)
    return Poles(whole.only(used.tolist()), goes_with, directions[used], effect, contrast)


def effect_of(directions: Array, goes_with: NDArray[np.int64], errors: HeadErrors) -> tuple[float, float]:
    """Return effect and contrast of values with directions ``(V, D)``, see :class:`Poles`; zeros without errors."""
    if not len(errors.pairs):
        return 0.0, 0.0
    true, predicted = errors.pairs.T
    differ = (goes_with[true] != goes_with[predicted]) & (goes_with[true] >= 0) & (goes_with[predicted] >= 0)
    between = directions[goes_with[predicted]] - directions[goes_with[true]]
    spread = errors.std_along(between)
    shift = ((errors.error_means - errors.right_means[true]) * between).sum(axis=1) / spread
    apart = ((errors.class_means[predicted] - errors.class_means[true]) * between).sum(axis=1) / spread
    weight = np.sqrt(errors.counts) / np.sqrt(errors.counts).sum()
    return float(weight @ np.where(differ, shift, 0)), float(weight @ np.where(differ, apart, 0))


def beyond(poles: Poles, named: Sequence[Poles], errors: HeadErrors) -> tuple[float, float]:
    """Return effect and contrast of an attribute apart from what others divide as well.

    Its directions are made uncorrelated, within classes, with those of the attributes named before.
    """
    directions = poles.directions
    taken = np.concatenate([differences(one.directions)[1:] for one in named] or [np.zeros((0, directions.shape[1]))])
    if len(taken):
        weights, *_ = np.linalg.lstsq(taken @ errors.covariance @ taken.T, taken @ errors.covariance @ directions.T)
        directions = directions - weights.T @ taken
    return effect_of(directions, poles.goes_with, errors)


def differences(directions: Array) -> Array:
    """Return what tells each value from the mean of the others, shape ``(V, D)``."""
    count = len(directions)
    found: Array = (directions - directions.mean(axis=0)) * count / (count - 1)
    return found
