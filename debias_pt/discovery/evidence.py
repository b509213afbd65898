"""How much of a head's errors an attribute explains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from debias_pt.discovery.embedding import Array

RESAMPLES = 1000


@dataclass(frozen=True)
class ErrorEvidence:
    """What an attribute's values have to do with errors, on training images that the head did not see.

    Parameters
    ----------
    explained : float
        Share of all errors that would not be there if the images of each class outside its usual value were mistaken as
        rarely as the others (the attributable fraction).
    interval : tuple of float
        95 % bootstrap interval of `explained` over images.
    usual : ndarray of int, shape (K,)
        The value that each class goes with: the one it has more often than the other classes do.
    counts : ndarray of int, shape (K, V)
        Images of each class and value.
    errors : ndarray of int, shape (K, V)
        Errors among them.
    """

    explained: float
    interval: tuple[float, float]
    usual: NDArray[np.int64]
    counts: NDArray[np.int64]
    errors: NDArray[np.int64]


def explain(
    values: NDArray[np.int64], y: NDArray[np.int64], wrong: NDArray[np.bool_], n_classes: int, n_values: int
) -> ErrorEvidence:
    """Count errors by class and value.

    Parameters
    ----------
    values : ndarray of int, shape (N,)
        The value of each image.
    y : ndarray of int, shape (N,)
    wrong : ndarray of bool, shape (N,)
        Whether the head is wrong.
    n_classes, n_values : int
        K and V.

    Examples
    --------
    >>> values, y = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 0, 0, 1, 1])
    >>> explain(values, y, np.array([0, 0, 0, 1, 0, 0], dtype=bool), 2, 2).explained
    1.0
    """
    cells = np.zeros((n_classes, n_values, 2), dtype=np.int64)
    np.add.at(cells, (y, values, wrong.astype(np.int64)), 1)
    counts, errors = cells.sum(axis=2), cells[..., 1]
    shares = (counts + 0.5) / (counts + 0.5).sum(axis=1, keepdims=True)
    usual = (shares / shares.mean(axis=0)).argmax(axis=1)
    drawn = np.random.default_rng(0).multinomial(len(y), cells.ravel() / len(y), RESAMPLES)
    drawn = drawn.reshape(RESAMPLES, *cells.shape)
    spread = attributable(drawn.sum(axis=-1), drawn[..., 1], usual)
    low, high = np.quantile(spread, [0.025, 0.975])
    share = float(attributable(counts[None], errors[None], usual)[0])
    return ErrorEvidence(share, (float(low), float(high)), usual, counts, errors)


def attributable(counts: NDArray[np.int64], errors: NDArray[np.int64], usual: NDArray[np.int64]) -> Array:
    """Return the attributable fraction of errors, shape ``(B,)``, of counts and errors ``(B, K, V)``.

    Examples
    --------
    >>> attributable(np.array([[[100, 10]]]), np.array([[[10, 5]]]), np.array([0])).round(3)
    array([0.267])
    """
    rate = errors / np.maximum(counts, 1)
    own = rate[:, np.arange(len(usual)), usual]
    extra = np.maximum(rate - own[..., None], 0) * counts
    total = errors.sum(axis=(1, 2))
    found: Array = extra.sum(axis=(1, 2)) / np.maximum(total, 1)
    return found
