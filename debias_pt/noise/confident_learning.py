"""Confident learning: which training labels to trust (Northcutt et al., arXiv 1911.00068), by cleanlab."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from debias_pt.errors import UsageError
from debias_pt.noise.linear_probe import fit_linear_probe


def confident_mask(
    features: NDArray[np.floating],
    y: NDArray[np.int64],
    n_classes: int,
    *,
    C: float = 1.0,
    folds: int = 5,
    seed: int = 0,
    filter_by: str = "prune_by_noise_rate",
) -> NDArray[np.bool_]:
    """Return which samples to keep.

    Out-of-sample probabilities come from a linear probe on the features, cross-validated; cleanlab's
    ``find_label_issues`` says from them which labels are wrong. No clean label is seen.

    Parameters
    ----------
    features : ndarray, shape (n, D)
        Unit features of the training samples.
    y : ndarray of int, shape (n,)
        The given labels.
    n_classes : int
        K.
    C : float
        Of the probe. Confident learning needs probabilities that are not overfitted to the noise.
    folds : int
        Of the cross-validation, balanced over the given classes.
    seed : int
        Of the draw of folds.
    filter_by : str
        cleanlab's rule.

    Returns
    -------
    ndarray of bool, shape (n,)
        Where the label is trusted. A class whose labels are all doubted keeps its most likely sample.

    Raises
    ------
    UsageError
        If cleanlab is not installed, or there are fewer than two folds.
    """
    find_label_issues = _cleanlab()
    probabilities = out_of_sample(features, y, n_classes, C=C, folds=folds, seed=seed)
    present, labels = np.unique(y, return_inverse=True)  # cleanlab takes classes without gaps
    seen = probabilities[:, present] + 1e-12
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(cleanlab|pandas|numpy)\b")
        doubted = find_label_issues(labels, seen / seen.sum(axis=1, keepdims=True), filter_by=filter_by, n_jobs=1)
    keep = ~np.asarray(doubted, dtype=bool)
    for label in range(len(present)):
        rows = np.flatnonzero(labels == label)
        if not keep[rows].any():
            keep[rows[seen[rows, label].argmax()]] = True
    return keep


def out_of_sample(
    features: NDArray[np.floating], y: NDArray[np.int64], n_classes: int, *, C: float, folds: int, seed: int
) -> NDArray[np.float64]:
    """Return class probabilities ``(n, K)`` of every sample, by a linear probe that did not see it."""
    if not 2 <= folds <= len(y):
        raise UsageError(f"folds is {folds}; 2 to the number of samples ({len(y)}) expected")
    fold = balanced_folds(y, folds, seed)
    probabilities = np.zeros((len(y), n_classes))
    for number in range(folds):
        out = fold == number
        probe = fit_linear_probe(features[~out], y[~out], n_classes, C=C)
        probabilities[out] = probe.predict_proba(features[out])[0]
    return probabilities


def balanced_folds(y: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """Return a fold for every sample, each class spread evenly however small, shape ``(n,)``.

    Examples
    --------
    >>> np.bincount(balanced_folds(np.array([0, 0, 0, 1, 1, 2]), 3, seed=0)).tolist()
    [2, 2, 2]
    """
    order = np.random.default_rng(seed).permutation(len(y))
    order = order[np.argsort(y[order], kind="stable")]
    fold = np.empty(len(y), dtype=np.int64)
    fold[order] = np.arange(len(y)) % folds
    return fold


def _cleanlab() -> Callable[..., NDArray[np.bool_]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            from cleanlab.filter import find_label_issues
    except ImportError as error:
        raise UsageError("confident learning needs cleanlab: pip install 'debias-pt[noise]'") from error
    found: Callable[..., NDArray[np.bool_]] = find_label_issues
    return found
