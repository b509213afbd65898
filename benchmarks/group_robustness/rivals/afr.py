"""AFR: the last layer refitted on images that a first one was unsure of; no attribute label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from debias_pt.groups.refinement.mixture import Array

from ..case import CLASSES, Case, Fitted


@dataclass(frozen=True)
class AFR:
    """Automatic feature reweighting (Qiu et al., 2023, arXiv 2306.11074) on frozen features.

    A linear head is fitted to four fifths of the training images. The rest gets weights proportional to
    ``beta_y exp(-gamma p)``, where p is that head's probability of the true class and ``1 / beta_y`` the size
    of the class, and a second head is fitted to it that is drawn towards the first by a squared penalty. The paper
    chooses gamma and the penalty by the worst group of an annotated validation split; here they are chosen by the
    worst *class*, which needs no annotation, and of equal ones the first.

    Parameters
    ----------
    gammas, penalties : tuple of float
        Candidates.
    share : float
        Of the training images that the first head is fitted to.
    strength : float
        Scikit-learn's ``C`` of the first head.
    """

    gammas: tuple[float, ...] = (0.0, 2.0, 4.0, 8.0, 16.0)
    penalties: tuple[float, ...] = (0.0, 0.01, 0.1, 1.0)
    share: float = 0.8
    strength: float = 1.0

    labels: ClassVar[tuple[str, ...]] = (CLASSES,)

    def __call__(self, case: Case) -> Fitted:
        """Fit every seed: it divides the training images."""
        table = case.prepared.table
        train, val = table.where("train"), table.where("val")
        scaler = StandardScaler().fit(train.features)
        x, held_out = with_intercept(scaler, train.features), with_intercept(scaler, val.features)
        layers = [self._fit_one(x, train.y, held_out, val.y, seed) for seed in case.seeds]

        def predict(raw: NDArray[np.float32]) -> NDArray[np.int64]:
            scaled = with_intercept(scaler, raw)
            return np.stack([(scaled @ layer.T).argmax(axis=1) for layer in layers])

        return Fitted(case.seeds, predict)

    def _fit_one(self, x: Array, y: NDArray[np.int64], val: Array, val_y: NDArray[np.int64], seed: int) -> Array:
        rows = np.arange(len(y))
        first_rows, second_rows = train_test_split(rows, train_size=self.share, stratify=y, random_state=seed)
        first = first_layer(x[first_rows], y[first_rows], self.strength)
        second_x, second_y = x[second_rows], y[second_rows]
        best, highest = first, -1.0
        for gamma in self.gammas:
            weights = afr_weights(second_x @ first.T, second_y, gamma)
            for penalty in self.penalties:
                layer = second_layer(second_x, second_y, weights, first, penalty)
                right = (val @ layer.T).argmax(axis=1) == val_y
                worst = min((float(right[val_y == k].mean()) for k in np.unique(val_y)), default=0.0)
                if worst > highest:
                    best, highest = layer, worst
        return best


def with_intercept(scaler: StandardScaler, features: NDArray[np.float32]) -> Array:
    """Return standardised features and a column of ones."""
    return np.hstack([scaler.transform(features), np.ones((len(features), 1))]).astype(np.float64)


def first_layer(x: Array, y: NDArray[np.int64], strength: float) -> Array:
    """Return weights ``(K, D + 1)`` of a logistic regression, the intercept last."""
    model = LogisticRegression(C=strength, max_iter=2000).fit(x[:, :-1], y)
    layer = np.hstack([model.coef_, model.intercept_[:, None]])
    return np.asarray(np.vstack([-layer, layer]) / 2 if len(layer) == 1 else layer)


def afr_weights(logits: Array, y: NDArray[np.int64], gamma: float) -> Array:
    """Return weights that sum to one: ``exp(-gamma p_i) / n_(y_i)``, p_i the probability of the true class.

    Examples
    --------
    >>> afr_weights(np.array([[9.0, -9.0], [9.0, -9.0], [9.0, -9.0]]), np.array([0, 0, 1]), 2.0).round(3)
    array([0.06 , 0.06 , 0.881])
    """
    p = softmax(logits, axis=1)[np.arange(len(y)), y]
    weights = np.exp(-gamma * p) / np.bincount(y)[y]
    return np.asarray(weights / weights.sum())


def second_layer(x: Array, y: NDArray[np.int64], weights: Array, first: Array, penalty: float) -> Array:
    """Minimise the weighted cross-entropy plus ``penalty * |W - first|^2``, by L-BFGS from the first layer."""
    truth = np.eye(len(first))[y]

    def objective(flat: Array) -> tuple[float, Array]:
        layer = flat.reshape(first.shape)
        log_p = log_softmax(x @ layer.T, axis=1)
        moved = layer - first
        slope = (weights[:, None] * (np.exp(log_p) - truth)).T @ x + 2 * penalty * moved
        loss = -(weights * (log_p * truth).sum(axis=1)).sum() + penalty * np.square(moved).sum()
        return float(loss), slope.ravel()

    found = minimize(objective, first.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 100})
    return np.asarray(found.x.reshape(first.shape))
