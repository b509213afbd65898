"""Groups without words: what a biased head takes an image for, refined in the features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import helmert

from debias_pt.groups.refinement.biased_head import fit_biased_head
from debias_pt.groups.refinement.confirmation import apart, std_within_classes
from debias_pt.groups.refinement.mixture import Array, RefinementError, fit_mixture
from debias_pt.groups.refinement.pooling import pool

STRENGTH = 1e-4  # scikit-learn's C: the fewer directions the head has, the more it leans on the strongest cue
TRUST = 0.9  # in the held-out answer, where the mixture begins
MOST_CLASSES = 20  # groups are pairs of classes


@dataclass(frozen=True)
class InferredValues:
    """Which class each training image looks like to a biased head.

    Parameters
    ----------
    posterior : ndarray, shape (N, K)
        Rows sum to one; K is also the number of values.
    facts : dict
        Plain JSON: ``logit_separation`` and ``feature_separation``, the distance of the two nearest values in
        standard deviations within groups; ``expected``, the images of each class (rows) that look like each
        (columns).
    """

    posterior: Array
    facts: dict[str, Any]


def infer(features: NDArray[Any], y: NDArray[np.int64], n_classes: int) -> InferredValues:
    """Find out from class labels alone what divides the images besides their class.

    A cross-fitted, heavily shrunk head reads the strongest cue there is. A mixture with class effects in its
    held-out logits tells two reasons apart for taking an image for class j: being a typical member of j, or having what
    mostly comes with j. A second mixture, in the features, begins from there and is pooled with it half and half, as in
    :func:`~debias_pt.groups.refinement.pooling.pool`. No word is used and nothing has a name: a value is
    called by the class whose images mostly have it.

    Parameters
    ----------
    features : ndarray, shape (N, D)
    y : ndarray of int, shape (N,)
        Classes, 0 to K - 1.
    n_classes : int
        K.

    Raises
    ------
    RefinementError
        If the data do not support it: more than 20 classes, a class of one image, a value without images.

    Examples
    --------
    Of 200 images in two classes, the second feature is the shortcut; in every class ten images lack it.

    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat([0, 1], 100)
    >>> cue = np.where(np.arange(200) % 10 == 0, 1 - y, y)
    >>> features = np.stack([0.5 * y, 3.0 * cue], axis=1) + 0.3 * rng.normal(size=(200, 2))
    >>> found = infer(features, y, 2)
    >>> float((found.posterior.argmax(axis=1) == cue).mean())
    1.0
    >>> np.round(found.facts["expected"]).astype(int).tolist()
    [[90, 10], [10, 90]]
    """
    if n_classes > MOST_CLASSES:
        raise RefinementError(f"{n_classes} classes are too many to infer groups from, which are pairs of classes")
    x = features.astype(np.float64)
    head = fit_biased_head(x, y, n_classes, strength=STRENGTH)
    logits = head.held_out @ helmert(n_classes).T
    logits = logits / std_within_classes(logits, y, n_classes)
    start = np.full((len(y), n_classes), (1 - TRUST) / (n_classes - 1))
    start[np.arange(len(y)), head.held_out.argmax(axis=1)] = TRUST
    in_logits, _ = fit_mixture(logits, y, start, n_classes=n_classes, class_effects=True)
    weights, bias = in_logits.linear()
    in_features, posterior = pool(x, y, logits @ weights.T + bias[y], n_classes)
    facts = {
        "logit_separation": apart(logits, y, posterior),
        "feature_separation": in_features.separation,
        "expected": [[round(n, 2) for n in row] for row in (np.eye(n_classes)[y].T @ posterior).tolist()],
    }
    return InferredValues(posterior, facts)
