"""How much an attribute's values go with the classes: a shortcut must, or nothing can be learned from it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def association(sizes: NDArray[Any]) -> float:
    """Return how far the classes differ in their shares of the values, from 0 to 1.

    The total variation distance between the shares of two classes, the mean over pairs of classes. 0: every class has
    the same shares. 1: no value is found in two classes.

    Parameters
    ----------
    sizes : ndarray, shape (K, V)
        Images of each class and value; expected ones will do.

    Examples
    --------
    >>> association(np.array([[90, 10], [20, 80]])), association(np.array([[30, 70], [3, 7]]))
    (0.7, 0.0)
    """
    shares = sizes / np.maximum(sizes.sum(axis=1, keepdims=True), 1e-12)
    distance = 0.5 * np.abs(shares[:, None] - shares[None]).sum(axis=-1)
    k = len(sizes)
    return round(float(distance.sum() / max(1, k * (k - 1))), 4)
