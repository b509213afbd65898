"""What every ranking of words works on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from debias_pt.discovery.embedding import Array, embed_prompts, embed_words, were_read
from debias_pt.discovery.head_errors import HeadErrors, head_errors
from debias_pt.discovery.words import everyday_words
from debias_pt.features.table import FeatureTable
from debias_pt.models.backbone import Backbone
from debias_pt.models.zero_shot import class_prompts

from .true_words import TrueWords, listed


@dataclass(frozen=True)
class DiscoveryCase:
    """Training images, words and errors of one data set.

    Parameters
    ----------
    train : FeatureTable
        Training rows.
    words : list of str
        W words that the model has read, hyponyms of the classes among them.
    embedded : ndarray, shape (W, D)
        Unit embeddings, as the attribute probe has them.
    classes : ndarray, shape (K, D)
        Unit class texts.
    errors : HeadErrors
        Of cross-fitted heads.
    """

    train: FeatureTable
    words: list[str]
    embedded: Array
    classes: Array
    errors: HeadErrors

    @classmethod
    def of(cls, table: FeatureTable, backbone: Backbone, true: TrueWords) -> DiscoveryCase:
        """Embed the vocabulary with the hyponyms mixed in, and fit the heads."""
        train = table.where("train")
        every = list(dict.fromkeys([*everyday_words(), *listed(true.hyponyms)]))
        words = [word for word, read in zip(every, were_read(backbone, every), strict=True) if read]
        classes = embed_prompts(backbone, class_prompts(train.class_names, train.template))
        errors = head_errors(train.features, train.y, len(train.class_names))
        return cls(train, words, embed_words(backbone, words), classes, errors)

    @property
    def x(self) -> Array:
        """Training features in double precision."""
        return self.train.features.astype(np.float64)

    @property
    def y(self) -> NDArray[np.int64]:
        """Training labels."""
        return self.train.y

    @property
    def relative(self) -> Array:
        """Embeddings without the vocabulary's mean, of length 1."""
        rows = self.embedded - self.embedded.mean(axis=0)
        found: Array = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return found
