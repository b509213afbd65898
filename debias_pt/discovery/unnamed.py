"""What divides the images though no word names it: directions of errors that halves of the errors agree on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from debias_pt.discovery.embedding import Array
from debias_pt.discovery.head_errors import HeadErrors
from debias_pt.discovery.poles import Poles, differences
from debias_pt.discovery.set_aside import unit

ENOUGH = 8  # errors from one class to another to look for a direction in
STRONG = 1.0  # standard deviations, on the half of the errors that was not looked at
SPLITS = 20
EXPLAINED = 0.5  # share of it that lies along an attribute found, from which on the direction has a name


@dataclass(frozen=True)
class UnnamedDirection:
    """A direction in which errors of one class differ from its right answers, beyond what the head itself looks at.

    Parameters
    ----------
    true, predicted : int
        The classes of the errors.
    errors : int
        How many there are.
    effect : float
        Standard deviations between errors and right answers, each half of the errors measured along the direction of
        the other; the mean over random halves.
    direction : ndarray, shape (D,)
    """

    true: int
    predicted: int
    errors: int
    effect: float
    direction: Array


def unnamed_directions(
    features: NDArray[np.float32], y: NDArray[np.int64], errors: HeadErrors, found: Sequence[Poles] = ()
) -> list[UnnamedDirection]:
    """Look at every pair of classes with at least eight errors.

    The head's own directions are projected out: along these, errors differ from right answers by construction. What is
    left is fitted on one half of the errors and measured on the other, so that noise measures zero.

    Parameters
    ----------
    features : ndarray, shape (N, D)
    y : ndarray of int, shape (N,)
    errors : HeadErrors
    found : sequence of Poles
        Attributes with a name; directions that they explain are left out.

    Returns
    -------
    list of UnnamedDirection
        The strongest first.
    """
    _, sizes, basis = np.linalg.svd(errors.head.weights, full_matrices=False)
    basis = basis[sizes > 1e-9 * sizes[0]]
    named = [row for poles in found for row in differences(poles.directions)]
    result = []
    for (k, j), count in zip(errors.pairs.tolist(), errors.counts.tolist(), strict=True):
        if count < ENOUGH:
            continue
        wrong = features[(y == k) & (errors.predicted == j)].astype(np.float64)
        effect = _between_halves(wrong, errors.right_means[k], basis, errors)
        shift = wrong.mean(axis=0) - errors.right_means[k]
        along = max((abs(_measured(shift, row, errors)) for row in named), default=0.0)
        if effect >= STRONG and along < EXPLAINED * effect:
            result.append(UnnamedDirection(k, j, count, effect, unit(_off(shift, basis))))
    return sorted(result, key=lambda one: -one.effect)


def _between_halves(wrong: Array, right: Array, basis: Array, errors: HeadErrors) -> float:
    rng, effects = np.random.default_rng(0), []
    for _ in range(SPLITS):
        order = rng.permutation(len(wrong))
        one, other = (_off(wrong[half].mean(axis=0) - right, basis) for half in (order[::2], order[1::2]))
        effects += [_measured(one, other, errors), _measured(other, one, errors)]
    return float(np.mean(effects))


def _off(shift: Array, basis: Array) -> Array:
    found: Array = shift - (shift @ basis.T) @ basis
    return found


def _measured(shift: Array, along: Array, errors: HeadErrors) -> float:
    direction = unit(along)
    return float(shift @ direction / errors.std_along(direction[None])[0])
