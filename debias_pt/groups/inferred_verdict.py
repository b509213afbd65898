"""May groups be built on inferred values? From class labels and images alone, by cross-fitting."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from debias_pt.groups.association import association
from debias_pt.groups.refinement.mixture import Array
from debias_pt.groups.verdict import DOUBTFUL, NOT_USABLE, USABLE, Verdict
from debias_pt.reweighting.balanced_within_class import BalancedWithinClass
from debias_pt.reweighting.class_balanced import ClassBalanced

# Chosen on 239 skewed sets and controls; see docs/methods/inferred.md.
TOGETHER, CLEARLY = 0.6, 0.7  # association of class and value: where validation confirms it, and where it does not
HARDLY = 0.5  # below this, no class has a value of its own
SHIFT = 0.2  # share of a class that looks usual in training and not in validation
GAIN, RATIO = 0.08, 1.5  # held-out accuracy that the unusual images gain, and how often what the usual ones lose
NOISE = -0.05  # a shift that low: training labels are odd where validation labels are not

FOLDS = 5
PENALTY = 1.0  # of the head, as in the fit
FEW = 3.0  # expected images from which on a group counts
ENOUGH_VALIDATION = 10  # images of every class
ENOUGH_ROWS = 20_000  # of more, as many drawn at random


def judge_inferred(
    features: NDArray[Any], y: NDArray[np.int64], posterior: Array, validation: NDArray[np.bool_]
) -> Verdict:
    """Judge inferred values of fitted rows; no attribute label is read.

    Parameters
    ----------
    features : ndarray, shape (N, D)
    y : ndarray of int, shape (N,)
        Classes, 0 to K - 1.
    posterior : ndarray, shape (N, K)
        Of the values.
    validation : ndarray of bool, shape (N,)
        Which rows come from the validation split.
    """
    if len(y) > ENOUGH_ROWS:
        rows = np.sort(np.random.default_rng(0).choice(len(y), ENOUGH_ROWS, replace=False))
        features, y, posterior, validation = features[rows], y[rows], posterior[rows], validation[rows]
    return judge_numbers(
        {
            "association": association(_sizes(posterior[~validation], y[~validation])),
            "shift": shift(posterior, y, validation),
            **gain_and_cost(features.astype(np.float64), y, posterior),
        }
    )


def judge_numbers(numbers: dict[str, Any]) -> Verdict:
    """Turn numbers into a verdict.

    Parameters
    ----------
    numbers : dict
        ``association`` of class and value in training. ``shift``: by how much the share of a class with its usual value
        is smaller in validation than in training, the mean over classes; None without validation. A property of the
        images shifts where somebody balanced validation; hard images are as frequent there. ``gain`` and ``cost``: what
        held-out accuracy on the unusual images of the classes gains, and on the usual ones loses, if inferred groups
        are balanced instead of classes alone.

    Examples
    --------
    >>> judge_numbers({"association": 0.83, "shift": 0.26, "gain": 0.29, "cost": 0.07}).verdict
    'usable'
    >>> judge_numbers({"association": 0.57, "shift": 0.19, "gain": 0.04, "cost": 0.02}).verdict
    'doubtful'
    """
    together, shifted, gain, cost = (numbers[name] for name in ("association", "shift", "gain", "cost"))
    advice = (
        "look at the images that look like another class (debias-pt discover shows them), name the attribute, or take "
        "--method class-balanced --head standardized"
    )
    if together < HARDLY:
        reason = f"the inferred values hardly go with the classes (association {together:.2f}, {HARDLY} needed)"
        return Verdict(NOT_USABLE, (reason,), advice, numbers)
    if shifted is not None and shifted <= NOISE:
        reason = f"images look odd in training more often than in validation (by {-shifted:.0%}): wrong labels do that"
        return Verdict(NOT_USABLE, (reason,), advice, numbers)
    if together >= TOGETHER and shifted is not None and shifted >= SHIFT:
        return Verdict(USABLE, (), "--method inferred", numbers)
    if together >= CLEARLY and gain >= GAIN and gain > RATIO * cost:
        return Verdict(USABLE, (), "--method inferred", numbers)
    return Verdict(DOUBTFUL, tuple(_doubts(together, shifted, gain, cost)), advice, numbers)


def _doubts(together: float, shifted: float | None, gain: float, cost: float) -> list[str]:
    found = []
    if together < CLEARLY:
        found.append(
            f"the inferred values go with the classes only so far (association {together:.2f}, {CLEARLY} needed)"
        )
    if gain < GAIN or gain <= RATIO * cost:
        found.append(
            f"balancing them would lift held-out accuracy on unusual images by {100 * gain:.1f} points and lower it on "
            f"usual ones by {100 * cost:.1f}: they may just be hard images"
        )
    if shifted is not None:
        found.append(f"they are about as frequent in validation ({100 * shifted:.0f} points more, {SHIFT:.0%} needed)")
    return found


def shift(posterior: Array, y: NDArray[np.int64], validation: NDArray[np.bool_]) -> float | None:
    """Return by how much the share of a class's usual value is smaller in validation, the mean over classes.

    None if a class has fewer than ten validation images.
    """
    k = posterior.shape[1]
    if np.bincount(y[validation], minlength=k).min() < ENOUGH_VALIDATION:
        return None
    of_train, of_val = (_sizes(posterior[rows], y[rows]) for rows in (~validation, validation))
    usual = of_train.argmax(axis=1)
    shares = [(sizes / sizes.sum(axis=1, keepdims=True))[np.arange(k), usual] for sizes in (of_train, of_val)]
    return round(float((shares[0] - shares[1]).mean()), 4)


def gain_and_cost(x: Array, y: NDArray[np.int64], posterior: Array) -> dict[str, float]:
    """Return what balance of class x value gains the unusual images and costs the usual ones, over class balance.

    Held-out accuracy of cross-fitted linear heads on standardized features; a group's accuracy is weighted by the
    posterior.
    """
    k = posterior.shape[1]
    membership = (np.eye(k)[y][:, :, None] * posterior[:, None]).reshape(len(y), -1)
    of_group = torch.arange(k).repeat_interleave(k)
    right = []
    for reweighter in (ClassBalanced(), BalancedWithinClass()):
        reweighter.start(torch.from_numpy(membership), of_group, runs=1)
        right.append(_held_out(x, y, membership @ reweighter.weights_[0].double().numpy()))
    sizes = _sizes(posterior, y)
    before, after = (_sizes(posterior * one[:, None], y) / np.maximum(sizes, 1e-12) for one in right)
    usual = np.eye(k, dtype=bool)[sizes.argmax(axis=1)]
    unusual = ~usual & (sizes >= FEW)
    change = after - before
    gain = float(change[unusual].mean()) if unusual.any() else 0.0
    return {"gain": round(gain, 4), "cost": round(-float(change[usual].mean()), 4)}


def _held_out(x: Array, y: NDArray[np.int64], weights: Array) -> NDArray[np.bool_]:
    """Return which rows a head that did not see them gets right."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold
    from sklearn.preprocessing import StandardScaler

    right = np.zeros(len(y), dtype=bool)
    folds = min(FOLDS, int(np.bincount(y).min()))
    two = 2 if y.max() == 1 else 1  # one column of weights in place of two
    for seen, unseen in StratifiedKFold(folds, shuffle=True, random_state=0).split(x, y):
        scaler = StandardScaler().fit(x[seen])
        own = weights[seen] / weights[seen].mean()
        model = LogisticRegression(C=two / (PENALTY * len(seen)), max_iter=1000)
        model.fit(scaler.transform(x[seen]), y[seen], sample_weight=own)
        right[unseen] = model.predict(scaler.transform(x[unseen])) == y[unseen]
    return right


def _sizes(posterior: Array, y: NDArray[np.int64]) -> Array:
    """Return expected images by class and value, shape ``(K, K)``."""
    found: Array = np.eye(posterior.shape[1])[y].T @ posterior
    return found
