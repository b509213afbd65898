"""Confirming the words' answers by a biased head: two sources that err for different reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import helmert
from scipy.special import softmax

from debias_pt.groups.refinement.biased_head import BiasedHead
from debias_pt.groups.refinement.calibration import contrasts
from debias_pt.groups.refinement.mixture import Array, AttributeMixture, fit_mixture, maximise

CONCLUSIVE = 4.0  # standard deviations between two equal humps at which the best threshold errs for 2.3 %
ANCHOR = 0.5  # share of the words' own separation that must be left of it


@dataclass(frozen=True)
class ValueEvidence:
    """Log-likelihood of an attribute's values, linear in zero-shot scores and features.

    Parameters
    ----------
    score_weights, feature_weights : ndarray, shapes (V, V - 1) and (V, D)
    bias : ndarray, shape (K, V)
    training : ndarray, shape (N, V)
        Of the training rows; where a biased head speaks, it is one that did not see the row.
    prior : ndarray, shape (K, V)
    facts : dict
        Plain JSON.
    """

    score_weights: Array
    feature_weights: Array
    bias: Array
    training: Array
    prior: Array
    facts: dict[str, Any]

    @classmethod
    def of_words(
        cls, calibration: AttributeMixture, scores: Array, y: NDArray[np.int64], dim: int, facts: dict[str, Any]
    ) -> ValueEvidence:
        """Return what the calibrated words say alone, about features of `dim` dimensions."""
        weights, bias = calibration.linear()
        training = contrasts(scores) @ weights.T + bias[y]
        return cls(weights, np.zeros((len(weights), dim)), bias, training, calibration.prior, facts)


def confirm(head: BiasedHead, scores: Array, y: NDArray[np.int64], calibration: AttributeMixture) -> ValueEvidence:
    """Ask a biased head whether it sees the values that the words name; return the evidence to go on with.

    A mixture is fitted to both sources at once, the contrasts of the words and the held-out class logits of
    the biased head. The attribute moves both; classes move the logits, not the words (as in
    :func:`~debias_pt.groups.refinement.calibration.calibrate`). It begins from the words' answers. It takes their
    place only where the values then lie at least 4 standard deviations apart in the logits alone, so that no image is
    in doubt, and still differ in the words by at least half of what they did: the names must fit.

    Parameters
    ----------
    head : BiasedHead
        Of the same training rows.
    scores : ndarray, shape (N, V)
        Zero-shot logits.
    y : ndarray of int, shape (N,)
        Classes.
    calibration : AttributeMixture
        Of the contrasts.

    Returns
    -------
    ValueEvidence
        With ``facts``: ``words_in_logits``, by how many standard deviations of the biased head's logits the
        values named by the words differ within a class; ``logit_separation``, the same for both sources' values;
        ``anchor``, the share of the words' separation that is left; ``confirmed``.

    Raises
    ------
    RefinementError
        If a value runs empty.
    """
    k, v = calibration.prior.shape
    words = contrasts(scores) @ calibration.linear()[0].T + calibration.linear()[1][y]
    share = posterior(words, calibration.prior, y)
    basis = helmert(k)
    of_words, of_logits = contrasts(scores), head.held_out @ basis.T
    scale = np.hstack([std_within_classes(of_words, y, k), std_within_classes(of_logits, y, k)])
    both = np.hstack([of_words, of_logits]) / scale
    free = np.arange(both.shape[1]) >= v - 1  # classes move the logits
    mixture, shared = fit_mixture(both, y, share, n_classes=k, class_effects=free)
    anchor = apart(of_words, y, shared) / apart(of_words, y, share)
    in_logits = apart(of_logits, y, shared)
    confirmed = bool(in_logits >= CONCLUSIVE and anchor >= ANCHOR)
    facts = {
        "words_in_logits": apart(of_logits, y, share),
        "logit_separation": in_logits,
        "anchor": anchor,
        "confirmed": confirmed,
    }
    if not confirmed:
        return ValueEvidence.of_words(calibration, scores, y, head.weights.shape[1], facts)
    return _linear(mixture, scale, head, both, y, facts)


def _linear(
    mixture: AttributeMixture, scale: Array, head: BiasedHead, both: Array, y: NDArray[np.int64], facts: dict[str, Any]
) -> ValueEvidence:
    """Write a mixture of contrasts and logits as evidence that is linear in scores and features."""
    v = len(mixture.effect)
    weights, bias = mixture.linear()
    training = both @ weights.T + bias[y]
    weights = weights / scale
    of_logits = weights[:, v - 1 :] @ helmert(len(head.weights))
    bias = bias + of_logits @ head.bias
    return ValueEvidence(weights[:, : v - 1], of_logits @ head.weights, bias, training, mixture.prior, facts)


def posterior(evidence: Array, prior: Array, y: NDArray[np.int64]) -> Array:
    """Return the probability of every value, shape ``(N, V)``."""
    found: Array = softmax(evidence + np.log(prior)[y], axis=1)
    return found


def apart(columns: Array, y: NDArray[np.int64], share: Array) -> float:
    """Return how far the two nearest values are apart in some columns, in standard deviations within groups.

    Parameters
    ----------
    columns : ndarray, shape (N, J)
    y : ndarray of int, shape (N,)
    share : ndarray, shape (N, V)
        Responsibilities.
    """
    centred = columns - columns.mean(axis=0)
    classes = np.eye(int(y.max()) + 1)[y]
    return maximise(centred, centred.T @ centred, classes, share, class_effects=True).separation


def std_within_classes(columns: Array, y: NDArray[np.int64], n_classes: int) -> Array:
    """Return the standard deviation of each column within classes, shape ``(J,)``."""
    means = np.stack([columns[y == k].mean(axis=0) if (y == k).any() else columns[0] for k in range(n_classes)])
    found: Array = (columns - means[y]).std(axis=0) + 1e-12
    return found
