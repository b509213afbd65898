"""What a model makes of the vocabulary: embeddings of the phrases that it can know and that name no class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.datasets.attributes import Attribute
from debias_pt.discovery.embedding import Array, embed_prompts, embed_words, were_read
from debias_pt.discovery.set_aside import class_similarity, near_classes, unit
from debias_pt.discovery.words import Vocabulary, everyday_words
from debias_pt.models.backbone import Backbone
from debias_pt.models.zero_shot import class_prompts

SAME = 1e-6  # singular values below this share of the largest are none


@dataclass(frozen=True)
class ReadAttribute:
    """An attribute as a model reads it.

    Parameters
    ----------
    attribute : Attribute
        With the phrases that are left, each value named by its first.
    phrases : tuple of ndarray, shapes (P_v, D)
        Unit embeddings of the phrases of each of V values.
    """

    attribute: Attribute
    phrases: tuple[Array, ...]

    @property
    def centers(self) -> Array:
        """Unit embeddings ``(V, D)`` of the values."""
        return unit(np.stack([rows.mean(axis=0) for rows in self.phrases]))

    def only(self, values: Sequence[int]) -> ReadAttribute:
        """Return the attribute with some of its values."""
        names = list(self.attribute.values)
        kept = {names[v]: self.attribute.values[names[v]] for v in values}
        return ReadAttribute(Attribute(self.attribute.name, kept), tuple(self.phrases[v] for v in values))


@dataclass(frozen=True)
class Reading:
    """A vocabulary as a model reads it.

    Parameters
    ----------
    attributes : tuple of ReadAttribute
        Those with two values or more left.
    words : tuple of str
        W everyday words to compare with.
    embedded : ndarray, shape (W, D)
        Their unit embeddings.
    class_basis : ndarray, shape (C, D)
        Orthonormal directions in which the class texts differ.
    facts : dict
        What was read and what was left out, as plain JSON.
    """

    attributes: tuple[ReadAttribute, ...]
    words: tuple[str, ...]
    embedded: Array
    class_basis: Array
    facts: dict[str, Any]

    def directions(self, rows: Array) -> Array:
        """Return embeddings ``(M, D)`` without the everyday words' mean and what tells the class texts apart."""
        relative = rows - self.embedded.mean(axis=0)
        found: Array = relative - (relative @ self.class_basis.T) @ self.class_basis
        return found

    def share_below(self, images: Array, phrases: Array) -> Array:
        """Return the share ``(M, P)`` of everyday words that fit images ``(M, D)`` less than phrases ``(P, D)``."""
        everyday = np.sort(images @ self.embedded.T, axis=1)
        own = images @ phrases.T
        below = [np.searchsorted(row, of_phrases) for row, of_phrases in zip(everyday, own, strict=True)]
        return np.reshape(np.array(below, dtype=np.float64), own.shape) / max(len(self.words), 1)


def read_by(backbone: Backbone, vocabulary: Vocabulary, class_names: Sequence[str], template: str) -> Reading:
    """Embed a vocabulary and the everyday words.

    Parameters
    ----------
    backbone : Backbone
    vocabulary : Vocabulary
    class_names : sequence of str
        Phrases that say what a class is are left out, see :func:`~debias_pt.discovery.set_aside.near_classes`.
    template : str
        Of the class texts.
    """
    asked = dict.fromkeys(p for one in vocabulary.attributes for phrases in one.values.values() for p in phrases)
    texts = list(dict.fromkeys([*everyday_words(), *asked]))
    read = were_read(backbone, texts)
    known = [text for text, one in zip(texts, read, strict=True) if one]
    rows = embed_words(backbone, known)
    classes = embed_prompts(backbone, class_prompts(tuple(class_names), template))
    return reading_of(vocabulary, known, rows, classes, class_names)


def reading_of(
    vocabulary: Vocabulary, known: Sequence[str], rows: Array, classes: Array, class_names: Sequence[str]
) -> Reading:
    """Put a reading together from the embeddings ``(T, D)`` of the texts that a model knows, and of the class texts."""
    aside = near_classes(known, class_similarity(rows, classes), class_names)
    left = {text: row for text, row, near in zip(known, rows, aside, strict=True) if not near}
    words = tuple(word for word in everyday_words() if word in left)
    found = [_with_phrases(one, left) for one in vocabulary.attributes]
    attributes = tuple(one for one in found if one is not None)
    facts = {
        "source": vocabulary.source,
        "attributes": len(vocabulary),
        "tried": len(attributes),
        "unread": len(set(_phrases(vocabulary)) - set(known)),
        "repeated": vocabulary.repeated,
        "replaced": list(vocabulary.replaced),
        "set_aside": [text for text, near in zip(known, aside, strict=True) if near],
        "everyday": len(words),
    }
    embedded = np.array([left[word] for word in words]).reshape(-1, rows.shape[1])
    return Reading(attributes, words, embedded, _basis(classes), facts)


def _phrases(vocabulary: Vocabulary) -> list[str]:
    return [phrase for one in vocabulary.attributes for phrases in one.values.values() for phrase in phrases]


def _with_phrases(attribute: Attribute, left: dict[str, NDArray[np.float64]]) -> ReadAttribute | None:
    """Return an attribute with the phrases that are left, or None if they are of fewer than two values."""
    kept = [tuple(phrase for phrase in phrases if phrase in left) for phrases in attribute.values.values()]
    values = {phrases[0]: phrases for phrases in kept if phrases}
    if len(values) < 2:
        return None
    rows = tuple(np.stack([left[phrase] for phrase in phrases]) for phrases in values.values())
    return ReadAttribute(Attribute(attribute.name, values), rows)


def _basis(classes: Array) -> Array:
    _, sizes, basis = np.linalg.svd(classes - classes.mean(axis=0), full_matrices=False)
    found: Array = basis[sizes > SAME * max(sizes[0], SAME)]
    return found
