"""Whether a model sees an attribute at all, judged by comparison with everyday words."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import helmert

from debias_pt.datasets.attributes import Attribute
from debias_pt.errors import DebiasWarning
from debias_pt.groups.everyday_words import EVERYDAY_WORDS
from debias_pt.models.backbone import Backbone
from debias_pt.models.feature_backbone import FeatureBackbone

Array = NDArray[np.float64]
TEMPLATE = "a photo of {}."
DRAWS = 200
ENOUGH_WORDS = 50  # everyday words, to compare with


@dataclass(frozen=True)
class Visibility:
    """How an attribute's words do among draws of everyday words, each a share of the draws that do worse.

    Parameters
    ----------
    variation : float
        Of how much the images of a class vary along the difference of the values. Words for what is not in
        the pictures point where nothing varies.
    match : float
        Of how well the best value fits an image, against everyday words for that image.
    """

    variation: float
    match: float

    @property
    def lowest(self) -> float:
        """The lower of both: an attribute must vary, and its words must fit."""
        return min(self.variation, self.match)


class EverydayWords:
    """Embeddings of everyday words, one forward pass for all attributes.

    Parameters
    ----------
    backbone : Backbone
        The frozen model. Where words came with features instead, the everyday ones among them; all of them, if those
        are fewer than :data:`ENOUGH_WORDS`.

    Attributes
    ----------
    weights : ndarray, shape (W, D)
    """

    def __init__(self, backbone: Backbone) -> None:
        self.backbone = backbone
        words: Sequence[str] = EVERYDAY_WORDS
        if isinstance(backbone, FeatureBackbone) and backbone.words is not None:
            words = [word for word, known in zip(words, backbone.knows(words), strict=True) if known]
            words = words if len(words) >= ENOUGH_WORDS else backbone.words.names
        self.weights = embed(backbone, [(word,) for word in words])

    def compare(self, attribute: Attribute, features: NDArray[Any], y: NDArray[np.int64]) -> Visibility:
        """Compare an attribute's words with draws of as many everyday words, on images of known class.

        Parameters
        ----------
        attribute : Attribute
            Its phrases are put into "a photo of {}.", as the everyday words are.
        features : ndarray, shape (N, D)
            Unit image features.
        y : ndarray of int, shape (N,)
            Classes.
        """
        values = embed(self.backbone, [tuple(phrases) for phrases in attribute.values.values()])
        return visibility(values, self.weights, features.astype(np.float64), y)


def visibility(values: Array, words: Array, features: Array, y: NDArray[np.int64], *, draws: int = DRAWS) -> Visibility:
    """Compare the values' directions ``(V, D)`` with draws of V of the words' ``(W, D)``; all of unit length."""
    means = np.stack([features[y == k].mean(axis=0) for k in np.unique(y)])
    centred = features - means[np.searchsorted(np.unique(y), y)]
    covariance = centred.T @ centred / len(centred)
    cosines = features @ words.T

    def variation(rows: Array) -> float:
        apart = helmert(len(rows)) @ rows
        return float((((apart @ covariance) * apart).sum(axis=1) / (apart**2).sum(axis=1)).mean())

    def match(best: Array) -> float:
        return float((cosines < best[:, None]).sum(axis=1).mean())

    rng = np.random.default_rng(0)
    drawn = [rng.choice(len(words), len(values), replace=False) for _ in range(draws)]
    others = np.array([[variation(words[pick]), match(cosines[:, pick].max(axis=1))] for pick in drawn])
    own = np.array([variation(values), match((features @ values.T).max(axis=1))])
    better = (others < own).mean(axis=0)
    return Visibility(float(better[0]), float(better[1]))


def embed(backbone: Backbone, phrases: list[tuple[str, ...]]) -> Array:
    """Return the unit embedding of each tuple of phrases, the mean over its phrases, shape ``(len, D)``."""
    texts = [TEMPLATE.format(phrase) for words in phrases for phrase in words]
    with warnings.catch_warnings():  # words that a small model never read; the probe warns of the user's own
        warnings.simplefilter("ignore", DebiasWarning)
        of_texts = backbone.encode_text(texts).double().cpu().numpy()
    ends = np.cumsum([len(words) for words in phrases])
    rows = np.stack([part.mean(axis=0) for part in np.split(of_texts, ends[:-1])])
    found: Array = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return found
