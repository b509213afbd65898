"""Words that say what the class itself is (its name, kinds, parts): they explain errors and are no shortcut."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from debias_pt.discovery.embedding import Array

OUTLIER = 2.5  # standard deviations above the vocabulary's median similarity to a class
MOST = 0.05  # of the words: a small model takes all words of one subject for nearly the same


def class_similarity(words: Array, classes: Array) -> Array:
    """Return each word's largest cosine to a class text ``(W,)``, both without the vocabulary's mean."""
    mean = words.mean(axis=0)
    found: Array = (unit(words - mean) @ unit(classes - mean).T).max(axis=1)
    return found


def near_classes(
    words: Sequence[str], similarity: Array, class_names: Sequence[str], *, outlier: float = OUTLIER
) -> NDArray[np.bool_]:
    """Tell which words are set aside: those that share a word with a class name, or stand out in similarity.

    Parameters
    ----------
    words : sequence of str
    similarity : ndarray, shape (W,)
        See :func:`class_similarity`. Models differ in how similar any two texts are, so that only outliers count.
    class_names : sequence of str
    outlier : float
        Standard deviations, estimated from the median absolute deviation. At most a twentieth of the words goes.

    Examples
    --------
    >>> near_classes(["sea", "sea lion", "waves"], np.array([0.1, 0.0, 0.1]), ["sea lion"])
    array([ True,  True, False])
    """
    middle = np.median(similarity)
    deviation = 1.4826 * np.median(np.abs(similarity - middle)) + 1e-9
    names = {_stem(part) for name in class_names for part in _parts(name)}
    shared = np.array([any(_stem(part) in names for part in _parts(word)) for word in words])
    line = max(middle + outlier * deviation, np.quantile(similarity[~shared], 1 - MOST) if not shared.all() else 1.0)
    found: NDArray[np.bool_] = shared | (similarity > line)
    return found


def unit(rows: Array) -> Array:
    """Return rows of length 1; a row of zeros stays."""
    found: Array = rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)
    return found


def _parts(text: str) -> list[str]:
    return [part for part in re.split(r"[^\w]+|_", text.lower()) if len(part) > 2]


def _stem(word: str) -> str:
    return word.removesuffix("s")
