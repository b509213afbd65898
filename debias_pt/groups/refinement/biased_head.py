"""What a biased head makes of an image: class logits of a linear head that never saw it.

A head fitted on skewed data reads the shortcut. Where it takes an image for another class, the image
probably looks like that class in the shortcut: a hint at the attribute that needs no words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.features.table import FeatureTable
from debias_pt.groups.refinement.mixture import Array, RefinementError

FOLDS = 5
STRENGTH = 1e-3  # scikit-learn's C: a heavily shrunk head reads the direction in which the classes differ most


@dataclass(frozen=True)
class BiasedHead:
    """Class-balanced linear heads, each fitted without one fold of the training rows.

    Parameters
    ----------
    weights, bias : ndarray, shapes (K, D) and (K,)
        Mean of the folds' heads, for rows that none of them saw.
    held_out : ndarray, shape (N, K)
        Logits of the training rows, each from the head that did not see it; rows sum to zero.
    """

    weights: Array
    bias: Array
    held_out: Array

    def logits(self, features: NDArray[Any]) -> Array:
        """Return the logits ``(M, K)`` of other rows."""
        found: Array = features @ self.weights.T + self.bias
        return found


def fit_biased_head(
    x: Array, y: NDArray[np.int64], n_classes: int, *, folds: int = FOLDS, strength: float = STRENGTH
) -> BiasedHead:
    """Fit standardised logistic regressions in which every class counts the same, cross-fitted.

    Parameters
    ----------
    x : ndarray, shape (N, D)
    y : ndarray of int, shape (N,)
    n_classes : int
        K.
    folds : int
        Parts of the training rows; fewer if a class has fewer rows.
    strength : float
        Scikit-learn's C.

    Raises
    ------
    RefinementError
        If a class has fewer than two rows, or there is one class only.
    """
    from sklearn.model_selection import StratifiedKFold

    sizes = np.bincount(y, minlength=n_classes)
    if n_classes < 2 or sizes.min() < 2:
        raise RefinementError("a biased head needs two classes, and two training images of each")
    held_out = np.zeros((len(y), n_classes))
    heads = []
    split = StratifiedKFold(min(folds, int(sizes.min())), shuffle=True, random_state=0)
    for seen, unseen in split.split(x, y):
        weights, bias = _head(x[seen], y[seen], strength)
        held_out[unseen] = x[unseen] @ weights.T + bias
        heads.append((weights, bias))
    return BiasedHead(np.mean([w for w, _ in heads], axis=0), np.mean([b for _, b in heads], axis=0), held_out)


def biased_head_of(train: FeatureTable) -> BiasedHead | None:
    """Fit the biased head of training rows; None for one class, or classes of one image: words are all there is."""
    try:
        return fit_biased_head(train.features.astype(np.float64), train.y, len(train.class_names))
    except RefinementError:
        return None


def _head(x: Array, y: NDArray[np.int64], strength: float) -> tuple[Array, Array]:
    """Return weights ``(K, D)`` and bias ``(K,)`` on raw features; the logits sum to zero over the classes."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(x)
    model = LogisticRegression(C=strength, class_weight="balanced", max_iter=1000)
    model.fit(scaler.transform(x), y)
    weights, bias = model.coef_, model.intercept_
    if len(weights) == 1:  # two classes
        weights, bias = np.vstack([-weights, weights]) / 2, np.hstack([-bias, bias]) / 2
    weights, bias = weights - weights.mean(axis=0), bias - bias.mean()
    return weights / scaler.scale_, bias - (weights / scaler.scale_) @ scaler.mean_
