"""A Gaussian mixture over the values of an attribute, with class effects and priors of each class."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax

from debias_pt.errors import DebiasError

Array = NDArray[np.float64]


class RefinementError(DebiasError):
    """A mixture that the data do not support; the message says why."""


@dataclass(frozen=True)
class AttributeMixture:
    """``x | class k, value v ~ N(base_k + effect_v, covariance)``, ``P(v | k) = prior_kv``.

    Value and class move the mean independently of each other, and all groups share one covariance: what
    the large groups reveal about the attribute helps with the small ones. The log-likelihood ratio of two
    values is therefore linear in x.

    Parameters
    ----------
    base : ndarray, shape (K, D)
        Mean of the first value in each class; equal rows if classes have no effect.
    effect : ndarray, shape (V, D)
        Shift of each value from the first.
    covariance : ndarray, shape (D, D)
        Within groups.
    prior : ndarray, shape (K, V)
        Share of the values in each class; rows sum to one.
    objective : float
        Mean over rows of the log of what expectation-maximisation maximises.
    iterations : int
        Steps it took.
    """

    base: Array
    effect: Array
    covariance: Array
    prior: Array
    objective: float = -np.inf
    iterations: int = 0

    def linear(self) -> tuple[Array, Array]:
        """Return weights ``(V, D)`` and bias ``(K, V)`` of the values' log-likelihood.

        What does not depend on the value is left out: ``x @ weights.T + bias[k]``.
        """
        weights = np.linalg.solve(self.covariance, self.effect.T).T
        return weights, -self.base @ weights.T - 0.5 * (self.effect * weights).sum(axis=1)

    def log_likelihood(self, x: Array, y: NDArray[np.int64]) -> Array:
        """Return ``log N(x; base_y + effect_v, covariance)`` for every value, shape ``(N, V)``."""
        weights, bias = self.linear()
        centred = x - self.base[y]
        distance = (centred * np.linalg.solve(self.covariance, centred.T).T).sum(axis=1)
        constant = np.linalg.slogdet(self.covariance)[1] + x.shape[1] * np.log(2 * np.pi)
        own: Array = x @ weights.T + bias[y] - 0.5 * (distance + constant)[:, None]
        return own

    @property
    def separation(self) -> float:
        """Mahalanobis distance between the two nearest values; below 2 their peaks merge."""
        gaps = self.effect[:, None] - self.effect[None]
        apart = gaps[~np.eye(len(gaps), dtype=bool)]
        return float(np.sqrt((apart * np.linalg.solve(self.covariance, apart.T).T).sum(axis=1).min()))


def fit_mixture(
    x: Array,
    y: NDArray[np.int64],
    start: Array,
    *,
    n_classes: int,
    class_effects: bool | NDArray[np.bool_],
    evidence: Array | None = None,
    weight: float = 1.0,
    max_iterations: int = 200,
    tolerance: float = 1e-4,
) -> tuple[AttributeMixture, Array]:
    """Fit by expectation-maximisation.

    A row's responsibilities are proportional to ``prior_yv * N(x | y, v) ** weight * exp(evidence_v)``.
    With a weight of 1 and no evidence this is the plain mixture; else the evidence, which stays fixed,
    keeps each value tied to its name.

    Parameters
    ----------
    x : ndarray, shape (N, D)
        Observations.
    y : ndarray of int, shape (N,)
        Classes, 0 to K - 1.
    start : ndarray, shape (N, V)
        First responsibilities; rows sum to one.
    n_classes : int
        K; a class without rows gets the overall mean and shares.
    class_effects : bool, or ndarray of bool, shape (D,)
        Whether classes move the mean, of all columns or of each.
    evidence : ndarray, shape (N, V), optional
        Log-likelihood of the values from elsewhere, already weighted.
    weight : float
        Exponent of the mixture's own likelihood.
    max_iterations : int
        At most this many steps.
    tolerance : float
        Stop when responsibilities change by less, on average.

    Returns
    -------
    mixture : AttributeMixture
    responsibilities : ndarray, shape (N, V)

    Raises
    ------
    RefinementError
        If a value is left without samples, or the observations do not vary.
    """
    more = np.zeros_like(start) if evidence is None else evidence
    classes, mean, share = np.eye(n_classes)[y], x.mean(axis=0), start
    x = x - mean
    second = x.T @ x
    iterations = 0
    while iterations < max_iterations:
        mixture = maximise(x, second, classes, share, class_effects=class_effects)
        weights, bias = mixture.linear()
        iterations += 1
        share, old = softmax(weight * (x @ weights.T + bias[y]) + more + np.log(mixture.prior)[y], axis=1), share
        if np.abs(share - old).mean() < tolerance:
            break
    joint = weight * mixture.log_likelihood(x, y) + more + np.log(mixture.prior)[y]
    objective = float(logsumexp(joint, axis=1).mean())
    return replace(mixture, base=mixture.base + mean, objective=objective, iterations=iterations), share


def maximise(
    x: Array, second: Array, classes: Array, share: Array, *, class_effects: bool | NDArray[np.bool_]
) -> AttributeMixture:
    """Return the mixture of highest likelihood for centred rows, one-hot classes and responsibilities.

    `second` is ``x.T @ x``. It is the regression of x on class and value, where the value is known only as shares.

    Raises
    ------
    RefinementError
        If a value has less than one sample, or x does not vary.
    """
    sizes = share.sum(axis=0)
    if sizes.min() < 1:
        raise RefinementError(f"value {int(sizes.argmin())} of {len(sizes)} is left without samples")
    coefficients = _regression(classes, share, x)
    if not np.all(class_effects):
        alone = _regression(np.ones((len(x), 1)), share, x)
        alone = np.vstack([np.repeat(alone[:1], classes.shape[1], axis=0), alone[1:]])
        coefficients = np.where(class_effects, coefficients, alone)
    gram, product = _moments(classes, share, x)
    explained = coefficients.T @ product
    residual = (second - explained - explained.T + coefficients.T @ gram @ coefficients) / len(x)
    k = classes.shape[1]
    means, effect = coefficients[:k], np.vstack([np.zeros(x.shape[1]), coefficients[k:]])
    # One sample's worth of the overall shares: a class without some value keeps a small share of it.
    prior = (classes.T @ share + share.mean(axis=0)) / (classes.sum(axis=0)[:, None] + 1)
    return AttributeMixture(means, effect, shrunk(residual, len(x)), prior)


def _moments(base: Array, share: Array, x: Array) -> tuple[Array, Array]:
    """Return ``E[d' d]`` and ``E[d' x]`` of the design d: `base`, and all values but the first."""
    design = np.hstack([base, share[:, 1:]])
    gram = design.T @ design
    k = base.shape[1]
    gram[k:, k:] = np.diag(share.sum(axis=0)[1:])  # a sample has one value: E[v v'] of a one-hot v is diagonal
    return gram, design.T @ x


def _regression(base: Array, share: Array, x: Array) -> Array:
    gram, product = _moments(base, share, x)
    coefficients: Array = np.linalg.pinv(gram, hermitian=True) @ product
    return coefficients


def shrunk(covariance: Array, n: int) -> Array:
    """Shrink a covariance of n samples towards a sphere, by an amount that its noise determines.

    Oracle approximating shrinkage (Chen, Wiesel, Eldar, Hero 2010, eq. 23), with the constants that
    scikit-learn takes; no parameter to choose.

    Raises
    ------
    RefinementError
        If there is no variance.

    Examples
    --------
    >>> shrunk(np.diag([1.0, 3.0]), n=99).round(2).tolist()
    [[1.13, 0.0], [0.0, 2.87]]
    """
    d = len(covariance)
    scale = np.trace(covariance) / d
    if not scale > 1e-12:
        raise RefinementError("the observations do not vary within groups")
    square = (covariance**2).mean()
    spread = (n + 1) * (square - scale**2 / d)
    share = 1.0 if spread <= 0 else min(1.0, (square + scale**2) / spread)
    mixed: Array = (1 - share) * covariance + share * scale * np.eye(d)
    return mixed
