"""Calibrating zero-shot scores: which peak of their distribution belongs to which value."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import helmert

from debias_pt.groups.refinement.mixture import Array, AttributeMixture, RefinementError, fit_mixture


def contrasts(scores: Array) -> Array:
    """Return the differences between the values' scores, ``(N, V - 1)``: a shift common to all values is dropped.

    Examples
    --------
    >>> contrasts(np.array([[3.0, 1.0], [13.0, 11.0]])).round(3).tolist()
    [[1.414], [1.414]]
    """
    found: Array = scores @ helmert(scores.shape[1]).T
    return found


def calibrate(scores: Array, y: NDArray[np.int64], n_classes: int) -> AttributeMixture:
    """Fit one Gaussian per value to the scores' contrasts: means and covariance of all classes, priors of each.

    A frozen model's scores favour one value, and their scale comes from another task. The mixture depends on
    neither: its answers stay the same when the scores are shifted or stretched. Separate shares for each class
    are what tells overlapping peaks apart. It starts once from the zero-shot answers and once from the scores
    without their mean, and keeps the better likelihood.

    Parameters
    ----------
    scores : ndarray, shape (N, V)
        Zero-shot logits.
    y : ndarray of int, shape (N,)
        Classes.
    n_classes : int
        K.

    Returns
    -------
    AttributeMixture
        Of the contrasts.

    Raises
    ------
    RefinementError
        If no start leads to one peak per value, each where that value scores highest.
    """
    x, v = contrasts(scores), scores.shape[1]
    found, reason = [], ""
    for centre in (0.0, scores.mean(axis=0)):
        try:
            start = np.eye(v)[(scores - centre).argmax(axis=1)]
            mixture, _ = fit_mixture(x, y, start, n_classes=n_classes, class_effects=False)
        except RefinementError as error:
            reason = str(error)
            continue
        # A value's peak must lie where that value scores higher than at any other value's peak.
        means = mixture.effect @ helmert(v)
        if (means.argmax(axis=0) == np.arange(v)).all():
            found.append(mixture)
        else:
            reason = "the peaks of the scores do not belong to one value each"
    if not found:
        raise RefinementError(reason)
    return max(found, key=lambda mixture: round(mixture.objective, 6))  # a tie goes to the zero-shot start
