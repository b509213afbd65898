"""Scores of words: whether errors carry them, whether classes differ in them, whether they fit the images at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from debias_pt.discovery.embedding import Array
from debias_pt.discovery.head_errors import HeadErrors
from debias_pt.discovery.set_aside import unit

SAME = 1e-6  # singular values below this share of the largest are none


@dataclass(frozen=True)
class WordScores:
    """Scores of W words.

    Parameters
    ----------
    directions : ndarray, shape (W, D)
        Unit directions: embeddings without the vocabulary's mean, the class texts' differences projected out.
    effect : ndarray, shape (W,)
        By how many standard deviations errors from class k to class j carry the word more than the right answers of
        k do (less, where k carries it more than j): the mean over pairs of classes, weighted by the root of the number
        of errors. For one pair it is the score of B2T (Kim et al., 2024, arXiv 2301.11104) on cross-fitted errors, in
        units of spread.
    contrast : ndarray, shape (W,)
        By how many standard deviations the classes of these pairs differ in the word.
    fit : ndarray, shape (W,)
        Share of the vocabulary that fits the images of the word's class less than the word does.
    goes_with : ndarray of int, shape (W,)
        The class that carries the word most.
    """

    directions: Array
    effect: Array
    contrast: Array
    fit: Array
    goes_with: NDArray[np.int64]

    @property
    def score(self) -> Array:
        """``min(effect, 2 contrast) fit^2``: all three are needed."""
        found: Array = np.minimum(self.effect, 2 * self.contrast) * self.fit**2
        return found


def score_words(words: Array, classes: Array, errors: HeadErrors) -> WordScores:
    """Score unit embeddings of words ``(W, D)``, given those of the class texts ``(K, D)``."""
    directions = word_directions(words, classes)
    spread = errors.std_along(directions)
    by_class = errors.class_means @ directions.T / spread
    effect, contrast = effect_along(directions, errors)
    goes_with = by_class.argmax(axis=0)
    return WordScores(directions, effect, contrast, _fit(words, errors.class_means, goes_with), goes_with)


def word_directions(words: Array, classes: Array) -> Array:
    """Return the words' directions; what tells the class texts apart is no part of them."""
    apart = classes - classes.mean(axis=0)
    _, sizes, basis = np.linalg.svd(apart, full_matrices=False)
    basis = basis[sizes > SAME * max(sizes[0], SAME)]
    relative = words - words.mean(axis=0)
    return unit(relative - (relative @ basis.T) @ basis)


def effect_along(directions: Array, errors: HeadErrors) -> tuple[Array, Array]:
    """Return effect and contrast along directions ``(W, D)``, see :class:`WordScores`; zeros if there are no errors."""
    if not len(errors.pairs):
        return np.zeros(len(directions)), np.zeros(len(directions))
    true, predicted = errors.pairs.T
    spread = errors.std_along(directions)
    shift = (errors.error_means - errors.right_means[true]) @ directions.T / spread
    apart = (errors.class_means[predicted] - errors.class_means[true]) @ directions.T / spread
    weight = np.sqrt(errors.counts) / np.sqrt(errors.counts).sum()
    return weight @ (np.sign(apart) * shift), weight @ np.abs(apart)


def _fit(words: Array, class_means: Array, goes_with: NDArray[np.int64]) -> Array:
    cosines = class_means @ words.T
    fit = np.empty(len(words))
    for k in np.unique(goes_with):
        own = goes_with == k
        fit[own] = np.searchsorted(np.sort(cosines[k]), cosines[k, own]) / len(words)
    return fit
