"""The anchored probe: what the words say, confirmed by a biased head, refined in the features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from debias_pt.groups.refinement.biased_head import BiasedHead, fit_biased_head
from debias_pt.groups.refinement.confirmation import ValueEvidence, confirm
from debias_pt.groups.refinement.mixture import Array, RefinementError
from debias_pt.groups.refinement.pooling import Refinement, calibrate_apart, pool, summary


@dataclass(frozen=True)
class AnchoredAnswers:
    """What was fitted on training rows.

    Parameters
    ----------
    refinement : Refinement
        The anchored evidence alone, for rows that were not fitted: a mixture in hundreds of features knows its
        own rows too well, and where nearly all images have their class's usual value it learns the class.
    training : ndarray, shape (N, V)
        Posterior of the training rows, with the mixture in the features.
    facts : dict
        As of :func:`~debias_pt.groups.refinement.pooling.refine`, and of
        :func:`~debias_pt.groups.refinement.confirmation.confirm`.
    """

    refinement: Refinement
    training: Array
    facts: dict[str, Any]


def anchor(
    features: NDArray[Any], scores: Array, y: NDArray[np.int64], n_classes: int, head: BiasedHead | None = None
) -> AnchoredAnswers:
    """Fit on training rows; no attribute label is used.

    Parameters
    ----------
    features : ndarray, shape (N, D)
    scores : ndarray, shape (N, V)
        Zero-shot logits of the attribute's values.
    y : ndarray of int, shape (N,)
        Classes.
    n_classes : int
        K.
    head : BiasedHead, optional
        Of these rows, if it was fitted for another attribute.

    Raises
    ------
    RefinementError
        If the data do not support a mixture; says why.
    """
    x, scores = features.astype(np.float64), scores.astype(np.float64)
    calibration = calibrate_apart(scores, y, n_classes)
    try:
        head = fit_biased_head(x, y, n_classes) if head is None else head
        evidence = confirm(head, scores, y, calibration)
    except RefinementError as error:
        evidence = ValueEvidence.of_words(
            calibration, scores, y, x.shape[1], {"confirmed": False, "reason": str(error)}
        )
    mixture, training = pool(x, y, evidence.training, n_classes)
    facts = {
        "score_separation": calibration.separation,
        "iterations": [calibration.iterations, mixture.iterations],
        "feature_separation": mixture.separation,
        **evidence.facts,
        **summary(training, scores, mixture.prior),
    }
    no_bias = np.zeros(scores.shape[1])
    refinement = Refinement(evidence.feature_weights, evidence.bias, evidence.score_weights, no_bias, evidence.prior)
    return AnchoredAnswers(refinement, training, facts)


def with_estimated_shares(posterior: Array, y: NDArray[np.int64], n_classes: int, *, iterations: int = 100) -> Array:
    """Re-estimate each class's shares of the values on unlabelled rows, and return posteriors that use them.

    Expectation-maximisation of the priors alone (Saerens, Latinne and Decaestecker, 2002), class by class, from
    equal shares. Rows drawn like the training rows then get its skew, balanced rows stay balanced.

    Parameters
    ----------
    posterior : ndarray, shape (N, V)
        At equal shares.
    y : ndarray of int, shape (N,)
    n_classes : int
        K.
    iterations : int
        Steps.

    Examples
    --------
    >>> answers = np.array([[0.9, 0.1]] * 9 + [[0.4, 0.6]])
    >>> with_estimated_shares(answers, np.zeros(10, dtype=int), 1)[-1].round(2)
    array([0.91, 0.09])
    """
    values = posterior.shape[1]
    likelihood, classes = np.log(np.maximum(posterior, 1e-300)), np.eye(n_classes)[y]
    share = posterior
    for _ in range(iterations):
        # One row's worth of equal shares: a class without rows of some value keeps a chance of it.
        prior = (classes.T @ share + 1 / values) / (classes.sum(axis=0)[:, None] + 1)
        share = softmax(likelihood + np.log(prior)[y], axis=1)
    return np.asarray(share)
