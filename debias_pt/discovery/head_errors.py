"""What a cross-fitted head gets wrong, summed up so that words can be compared without an images-by-words table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from debias_pt.discovery.embedding import Array
from debias_pt.groups.refinement.biased_head import BiasedHead, fit_biased_head

FEW = 5  # errors from one class to another that a mean can rest on


@dataclass(frozen=True)
class HeadErrors:
    """Means and spread of features, of right answers and of errors from class to class.

    Everything a word's score needs is linear or quadratic in the features, so that D numbers per class and per pair
    of classes, and one D x D matrix, stand for all images.

    Parameters
    ----------
    class_means : ndarray, shape (K, D)
        Mean feature of each class.
    right_means : ndarray, shape (K, D)
        Mean feature of the images of each class that the head gets right.
    error_means : ndarray, shape (P, D)
        Mean feature of the errors of each pair.
    pairs : ndarray of int, shape (P, 2)
        True class and predicted class, with at least five errors.
    counts : ndarray of int, shape (P,)
        Errors of each pair.
    covariance : ndarray, shape (D, D)
        Within classes.
    predicted : ndarray of int, shape (N,)
        Of the training rows, by heads that did not see them.
    head : BiasedHead
    """

    class_means: Array
    right_means: Array
    error_means: Array
    pairs: NDArray[np.int64]
    counts: NDArray[np.int64]
    covariance: Array
    predicted: NDArray[np.int64]
    head: BiasedHead

    def std_along(self, directions: Array) -> Array:
        """Return the standard deviation within classes along directions ``(W, D)``, shape ``(W,)``."""
        variance = ((directions @ self.covariance) * directions).sum(axis=1)
        found: Array = np.sqrt(np.maximum(variance, 1e-18))
        return found


def head_errors(features: NDArray[np.float32], y: NDArray[np.int64], n_classes: int) -> HeadErrors:
    """Fit the heads and sum up.

    Parameters
    ----------
    features : ndarray, shape (N, D)
        Of training images.
    y : ndarray of int, shape (N,)
    n_classes : int
        K.

    Raises
    ------
    RefinementError
        If there is one class only, or a class has fewer than two images.
    """
    x = features.astype(np.float64)
    head = fit_biased_head(x, y, n_classes)
    return sum_up(x, y, head.held_out.argmax(axis=1), head, few=FEW)


def sum_up(x: Array, y: NDArray[np.int64], predicted: NDArray[np.int64], head: BiasedHead, *, few: int) -> HeadErrors:
    """Sum up images ``(N, D)`` of known class and predicted class; pairs have at least `few` errors.

    Parameters
    ----------
    x : ndarray, shape (N, D)
    y, predicted : ndarray of int, shape (N,)
        Every class of the head must be there.
    head : BiasedHead
    few : int
    """
    n_classes = len(head.weights)
    means = np.stack([x[y == k].mean(axis=0) for k in range(n_classes)])
    right = np.stack([_mean(x[(y == k) & (predicted == k)], means[k]) for k in range(n_classes)])
    centered = x - means[y]
    table = np.zeros((n_classes, n_classes), dtype=np.int64)
    np.add.at(table, (y, predicted), 1)
    enough = table >= few
    pairs = np.argwhere(enough & ~np.eye(n_classes, dtype=bool) & (np.diag(table) >= few)[:, None])
    wrong = [x[(y == k) & (predicted == j)].mean(axis=0) for k, j in pairs]
    return HeadErrors(
        means,
        right,
        np.array(wrong).reshape(-1, x.shape[1]),
        pairs,
        table[pairs[:, 0], pairs[:, 1]],
        centered.T @ centered / len(x),
        predicted,
        head,
    )


def _mean(rows: Array, otherwise: Array) -> Array:
    return np.asarray(rows.mean(axis=0)) if len(rows) else otherwise
