"""Directions that explain errors but that no word names: shown by their images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from debias_pt.discovery.embedding import Array
from debias_pt.discovery.head_errors import HeadErrors
from debias_pt.discovery.set_aside import unit

ENOUGH = 20  # errors from one class to another to look for a direction in
STRONG = 1.0  # standard deviations, on the half of the errors that was not looked at
NAMED = 0.5  # correlation with a word above which the direction has a name


@dataclass(frozen=True)
class UnnamedDirection:
    """A direction in which errors of one class differ from its right answers, beyond what tells the classes apart.

    Parameters
    ----------
    true, predicted : int
        The classes of the errors.
    errors : int
        How many there are.
    effect : float
        Standard deviations between errors and right answers, each half of the errors measured along the direction of
        the other.
    direction : ndarray, shape (D,)
    nearest : str or None
        The word that correlates most with it, if there are words.
    correlation : float
        By how much.
    """

    true: int
    predicted: int
    errors: int
    effect: float
    direction: Array
    nearest: str | None
    correlation: float


def unnamed_directions(
    features: NDArray[np.float32],
    y: NDArray[np.int64],
    errors: HeadErrors,
    words: Sequence[str] = (),
    directions: Array | None = None,
) -> list[UnnamedDirection]:
    """Look at every pair of classes with at least 20 errors.

    The head's own directions are projected out: along these, errors differ from right answers by construction. What is
    left is fitted on one half of the errors and measured on the other.

    Parameters
    ----------
    features : ndarray, shape (N, D)
    y : ndarray of int, shape (N,)
    errors : HeadErrors
    words : sequence of str
        W words; without them no direction has a name.
    directions : ndarray, shape (W, D), optional
        Theirs.
    """
    x = features.astype(np.float64)
    _, sizes, basis = np.linalg.svd(errors.head.weights, full_matrices=False)
    basis = basis[sizes > 1e-9 * sizes[0]]
    found = []
    for (k, j), count in zip(errors.pairs.tolist(), errors.counts.tolist(), strict=True):
        if count < ENOUGH:
            continue
        wrong = x[(y == k) & (errors.predicted == j)]
        shifts = [half.mean(axis=0) - errors.right_means[k] for half in (wrong[::2], wrong[1::2])]
        one, other = (shift - (shift @ basis.T) @ basis for shift in shifts)
        effect = (_measured(one, other, errors) + _measured(other, one, errors)) / 2
        direction = unit(one + other)
        nearest, correlation = _nearest(direction, errors, words, directions)
        if effect >= STRONG and correlation < NAMED:
            found.append(UnnamedDirection(k, j, count, effect, direction, nearest, correlation))
    return sorted(found, key=lambda one: -one.effect)


def _measured(shift: Array, along: Array, errors: HeadErrors) -> float:
    direction = unit(along)
    return float(shift @ direction / errors.std_along(direction[None])[0])


def _nearest(
    direction: Array, errors: HeadErrors, words: Sequence[str], directions: Array | None
) -> tuple[str | None, float]:
    if directions is None:
        return None, 0.0
    spread = errors.std_along(directions) * errors.std_along(direction[None])[0]
    alike = directions @ (errors.covariance @ direction) / spread
    best = int(alike.argmax())
    return words[best], float(alike[best])
