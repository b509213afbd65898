"""Attributes from words: words that go together are a pole, poles that exclude each other the values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from debias_pt.discovery.embedding import Array
from debias_pt.discovery.head_errors import HeadErrors
from debias_pt.discovery.scores import WordScores

CANDIDATES = 300
TOGETHER = 0.4  # correlation within classes of words of one pole
APART = -0.05  # and of words of different poles, at most
PHRASES = 4
MOST_POLES = 4


@dataclass(frozen=True)
class Poles:
    """The poles of one attribute, each the indices of its words, the best first."""

    words: tuple[NDArray[np.int64], ...]

    @property
    def seed(self) -> int:
        """The word that the attribute was built around."""
        return int(self.words[0][0])


def find_poles(scores: WordScores, allowed: NDArray[np.bool_], errors: HeadErrors, most: int) -> list[Poles]:
    """Return attributes, the strongest first: each starts from the best word that no earlier one correlates with.

    Parameters
    ----------
    scores : WordScores
        Of W words.
    allowed : ndarray of bool, shape (W,)
        Words that were not set aside.
    errors : HeadErrors
        For correlations within classes.
    most : int
        Attributes to return at most.
    """
    value = np.where(allowed, scores.score, -1.0)
    words = np.argsort(-value, kind="stable")[:CANDIDATES]
    words = words[value[words] > 0]
    alike = correlations(scores.directions[words], errors)
    free = np.ones(len(words), dtype=bool)
    found: list[Poles] = []
    while free.any() and len(found) < most:
        poles = _grow(int(np.flatnonzero(free)[0]), value[words], scores.goes_with[words], alike)
        free &= np.abs(alike[[one for pole in poles for one in pole]]).max(axis=0) < TOGETHER
        if len(poles) > 1:
            found.append(Poles(tuple(words[pole] for pole in poles)))
    return found


def correlations(directions: Array, errors: HeadErrors) -> Array:
    """Return the correlations within classes of features along directions ``(W, D)``, shape ``(W, W)``."""
    spread = errors.std_along(directions)
    found: Array = directions @ errors.covariance @ directions.T / np.outer(spread, spread)
    return found


def _grow(seed: int, value: Array, goes_with: NDArray[np.int64], alike: Array) -> list[NDArray[np.int64]]:
    """Return poles as indices: that of the seed, then of words that go with other classes and exclude it."""
    poles = [_companions(seed, np.ones(len(value), dtype=bool), alike)]
    taken = {int(goes_with[seed])}
    while len(poles) < MOST_POLES:
        against = np.stack([alike[pole].mean(axis=0) for pole in poles]).max(axis=0)
        other = (against < APART) & ~np.isin(goes_with, list(taken))
        strength = np.where(other, value * np.maximum(-against, 0) ** 2, -1.0)
        best = int(strength.argmax())
        if strength[best] <= 0 or (len(poles) > 1 and value[best] < value[seed] / 2):
            break
        poles.append(_companions(best, other, alike))
        taken |= set(goes_with[poles[-1]].tolist())
    return poles


def _companions(seed: int, among: NDArray[np.bool_], alike: Array) -> NDArray[np.int64]:
    """Return a seed and the best words that go with it; words are in the order of their value."""
    together = np.flatnonzero(among & (alike[seed] > TOGETHER))
    return np.array([seed, *together[together != seed]][:PHRASES])
