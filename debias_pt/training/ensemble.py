"""Ensembles of runs: the logits averaged over seeds (PTNL, arXiv 2307.11978)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from debias_pt.errors import UsageError


def average_logits(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the logits of an ensemble ``(N, K)``, the mean of its members' ``(R, N, K)``.

    The mean of logits is not the mean of probabilities: up to a constant per sample it is the mean of
    log-probabilities, so that a member that excludes a class counts for more.

    Raises
    ------
    UsageError
        If there is no run, or no run axis.

    Examples
    --------
    >>> average_logits(np.array([[[2.0, 0.0]], [[-1.0, 0.0]]])).argmax(axis=-1)
    array([0])
    """
    if logits.ndim != 3 or not len(logits):
        raise UsageError(f"logits have shape {logits.shape}; (runs, samples, classes) expected, with one run or more")
    mean: NDArray[np.float64] = logits.mean(axis=0, dtype=np.float64)
    return mean


def predict_ensemble(logits: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the class labels ``(N,)`` that an ensemble predicts from its members' logits ``(R, N, K)``."""
    return np.asarray(average_logits(logits).argmax(axis=-1), dtype=np.int64)
