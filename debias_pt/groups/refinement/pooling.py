"""From zero-shot scores to better answers: calibration, then a mixture in the features, anchored by it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from debias_pt.errors import UsageError
from debias_pt.groups.refinement.calibration import calibrate, contrasts
from debias_pt.groups.refinement.mixture import Array, AttributeMixture, RefinementError, fit_mixture

SURE = 0.95  # rows with at least this posterior count as confident in the facts
LEAST_SEPARATION = 1.0  # there the best threshold between two equal peaks errs for 31 %


@dataclass(frozen=True)
class Refinement:
    """A linear classifier of the attribute on features and zero-shot scores.

    Parameters
    ----------
    feature_weights, feature_bias : ndarray, shapes (V, D) and (K, V)
        The mixture's log-likelihood in the features, already weighted; zero if only calibrated.
    score_weights, score_bias : ndarray, shapes (V, V - 1) and (V,)
        The calibrated log-likelihood on the scores' contrasts, already weighted.
    prior : ndarray, shape (K, V)
        Shares of the values in each class, as estimated.
    """

    feature_weights: Array
    feature_bias: Array
    score_weights: Array
    score_bias: Array
    prior: Array

    def __post_init__(self) -> None:
        for field in fields(self):  # in one order in memory: fitted or loaded, products are the same bit by bit
            object.__setattr__(self, field.name, np.ascontiguousarray(getattr(self, field.name)))

    def posterior(self, features: NDArray[Any], scores: Array, y: NDArray[np.int64], *, prior: bool = False) -> Array:
        """Return the probability of every value, shape ``(N, V)``.

        Parameters
        ----------
        features : ndarray, shape (N, D)
        scores : ndarray, shape (N, V)
            Zero-shot logits.
        y : ndarray of int, shape (N,)
            Classes.
        prior : bool
            Weigh by the shares found in training. Right for the rows they were estimated on; other rows
            may come without the correlation of class and attribute, and get equal shares.
        """
        logits = features @ self.feature_weights.T + self.feature_bias[y]
        logits += contrasts(scores) @ self.score_weights.T + self.score_bias
        posterior: Array = softmax(logits + np.log(self.prior)[y] if prior else logits, axis=1)
        return posterior


def refine(
    features: NDArray[Any],
    scores: Array,
    y: NDArray[np.int64],
    n_classes: int,
    *,
    in_features: bool = True,
) -> tuple[Refinement, dict[str, Any]]:
    """Fit a refinement on training rows; no attribute label is used.

    Two sources are pooled with equal weights (logarithmic opinion pool): the calibrated scores, and a mixture
    with class effects in the features, which starts from the calibrated answers. Both see the same image,
    so their product would count its evidence twice.

    Parameters
    ----------
    features : ndarray, shape (N, D)
        Image features.
    scores : ndarray, shape (N, V)
        Zero-shot logits of the attribute's values.
    y : ndarray of int, shape (N,)
        Classes, 0 to K - 1.
    n_classes : int
        K.
    in_features : bool
        False stops after the calibration.

    Returns
    -------
    refinement : Refinement
    facts : dict
        Plain JSON: ``score_separation`` and ``feature_separation`` (distance of the two nearest values in
        standard deviations), ``iterations`` of either mixture, ``prior`` (K, V), ``share_changed`` of the
        zero-shot answers, ``rows``, and ``confident_rows`` with a posterior above .95.

    Raises
    ------
    RefinementError
        If the data do not support a mixture; says why.
    UsageError
        If the arrays do not fit together.
    """
    if not len(features) == len(scores) == len(y) or scores.ndim != 2 or scores.shape[1] < 2:
        raise UsageError(
            f"features {features.shape}, scores {scores.shape} and labels {y.shape} do not fit together; give N rows "
            "of each, and a score for each of two or more values"
        )
    x, scores = features.astype(np.float64), scores.astype(np.float64)
    d, v = x.shape[1], scores.shape[1]
    calibration = calibrate_apart(scores, y, n_classes)
    weights, bias = calibration.linear()
    facts: dict[str, Any] = {"score_separation": calibration.separation, "iterations": [calibration.iterations]}
    if not in_features:
        refined = Refinement(np.zeros((v, d)), np.zeros((n_classes, v)), weights, bias[0], calibration.prior)
        return refined, facts | summary(refined.posterior(x, scores, y, prior=True), scores, calibration.prior)
    mixture, share = pool(x, y, contrasts(scores) @ weights.T + bias[0], n_classes)
    of_features, with_classes = mixture.linear()
    refined = Refinement(0.5 * of_features, 0.5 * with_classes, 0.5 * weights, 0.5 * bias[0], mixture.prior)
    facts["iterations"].append(mixture.iterations)
    return refined, facts | {"feature_separation": mixture.separation} | summary(share, scores, mixture.prior)


def calibrate_apart(scores: Array, y: NDArray[np.int64], n_classes: int) -> AttributeMixture:
    """Calibrate the scores, and refuse values whose humps cannot be told apart.

    Raises
    ------
    RefinementError
        If there are no such humps, or they lie less than one standard deviation apart.
    """
    calibration = calibrate(scores, y, n_classes)
    if calibration.separation < LEAST_SEPARATION:
        raise RefinementError(
            f"two values' scores lie {calibration.separation:.2f} standard deviations apart, "
            f"below {LEAST_SEPARATION:g} their peaks cannot be told apart"
        )
    return calibration


def pool(x: Array, y: NDArray[np.int64], evidence: Array, n_classes: int) -> tuple[AttributeMixture, Array]:
    """Pool evidence ``(N, V)`` with a mixture in the features that begins from it, half and half.

    Returns
    -------
    mixture : AttributeMixture
        In the features.
    responsibilities : ndarray, shape (N, V)
        Of the rows, from both.
    """
    start = np.eye(evidence.shape[1])[evidence.argmax(axis=1)]
    return fit_mixture(x, y, start, n_classes=n_classes, class_effects=True, evidence=0.5 * evidence, weight=0.5)


def summary(posterior: Array, scores: Array, prior: Array) -> dict[str, Any]:
    """Return facts of a refinement's answers to its training rows."""
    return {
        "prior": prior.tolist(),
        "share_changed": float((posterior.argmax(axis=1) != scores.argmax(axis=1)).mean()),
        "rows": len(posterior),
        "confident_rows": int((posterior.max(axis=1) > SURE).sum()),
    }
