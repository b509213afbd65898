"""The linear probe: logistic regression on unit image features, by scikit-learn."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from debias_pt.errors import UsageError

Floats = NDArray[np.float64]
# CLIP's search (arXiv 2103.00020, appendix A.3): these, then three times the midpoints next to the best, in log C.
FIRST_C = (1e-6, 1e-4, 1e-2, 1.0, 1e2, 1e4, 1e6)
HALVINGS = 4


@dataclass(frozen=True)
class LinearProbe:
    """Logistic regressions of R runs.

    Parameters
    ----------
    weight : ndarray, shape (R, K, D)
        Class weights; zero for a class that a run's sample does not have.
    bias : ndarray, shape (R, K)
        ``-inf`` for such a class.
    C : tuple of float
        Inverse strength of the L2 penalty of each run.
    converged : tuple of bool
        Whether each run's solver converged within its iterations.
    """

    weight: Floats
    bias: Floats
    C: tuple[float, ...]
    converged: tuple[bool, ...]

    def logits(self, features: NDArray[np.floating]) -> Floats:
        """Return logits ``(R, N, K)`` of features ``(N, D)`` or ``(R, N, D)``."""
        product: Floats = features.astype(np.float64) @ self.weight.transpose(0, 2, 1) + self.bias[:, None]
        return product

    def predict(self, features: NDArray[np.floating]) -> NDArray[np.int64]:
        """Return class labels ``(R, N)``."""
        return np.asarray(self.logits(features).argmax(axis=-1), dtype=np.int64)

    def predict_proba(self, features: NDArray[np.floating]) -> Floats:
        """Return class probabilities ``(R, N, K)``."""
        from scipy.special import softmax

        probabilities: Floats = softmax(self.logits(features), axis=-1)
        return probabilities


def fit_linear_probe(
    features: NDArray[np.floating],
    y: NDArray[np.int64],
    n_classes: int,
    *,
    C: float | None = None,
    validation: tuple[NDArray[np.floating], NDArray[np.int64]] | None = None,
    max_iter: int = 1000,
) -> LinearProbe:
    """Fit a logistic regression for every run.

    Parameters
    ----------
    features : ndarray, shape (n, D) or (R, n, D)
        Unit features, shared by all runs or separate for each.
    y : ndarray of int, shape (n,) or (R, n)
        Their labels.
    n_classes : int
        K.
    C : float, optional
        Inverse strength of the L2 penalty. By default it is searched for on `validation`, the way CLIP does
        (arXiv 2103.00020): seven values from 1e-6 to 1e6, then halving the distance to the best down to eight values
        per decade. Ties go to the smaller C.
    validation : (ndarray (m, D), ndarray (m,)), optional
        Features and labels that C is chosen on.
    max_iter : int
        Iterations of L-BFGS.

    Returns
    -------
    LinearProbe

    Raises
    ------
    UsageError
        If neither C nor validation samples are given, C is not positive, or a run has fewer than two classes.

    Examples
    --------
    >>> x = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])
    >>> fit_linear_probe(x, np.array([0, 0, 1]), 2, C=100.0).predict(x)
    array([[0, 0, 1]])
    """
    if (C is None) == (validation is None):
        raise UsageError("a linear probe takes either C or validation samples to choose C on; give one of them")
    if C is not None and not C > 0:
        raise UsageError(f"C is {C}; a linear probe takes C above 0")
    runs = max(len(values) if values.ndim > least else 1 for values, least in ((features, 2), (y, 1)))
    samples = np.broadcast_to(features, (runs, *features.shape[-2:]))
    each = zip(samples, np.broadcast_to(y, (runs, y.shape[-1])), strict=True)
    fits = [_searched(x, labels, n_classes, C, validation, max_iter) for x, labels in each]
    return joined_probes(fits)


def joined_probes(probes: Sequence[LinearProbe]) -> LinearProbe:
    """Stack runs that were fitted separately, for instance on samples of different sizes."""
    return LinearProbe(
        np.concatenate([probe.weight for probe in probes]),
        np.concatenate([probe.bias for probe in probes]),
        tuple(value for probe in probes for value in probe.C),
        tuple(value for probe in probes for value in probe.converged),
    )


def _searched(
    x: NDArray[np.floating],
    y: NDArray[np.int64],
    n_classes: int,
    C: float | None,
    validation: tuple[NDArray[np.floating], NDArray[np.int64]] | None,
    max_iter: int,
) -> LinearProbe:
    if validation is None:
        return _fit_one(x, y, n_classes, float(C or 0), max_iter)
    held_x, held_y = validation
    probes: dict[float, LinearProbe] = {}

    def score(exponent: float) -> float:
        if exponent not in probes:
            probes[exponent] = _fit_one(x, y, n_classes, 10.0**exponent, max_iter)
        return float((probes[exponent].predict(held_x)[0] == held_y).mean())

    return probes[search_exponent(score)]


def search_exponent(score: Callable[[float], float]) -> float:
    """Return the base-10 logarithm of C that scores best in CLIP's search.

    Examples
    --------
    >>> search_exponent(lambda exponent: -abs(exponent - 1.3))
    1.25
    """
    tried = {exponent: score(exponent) for exponent in np.log10(FIRST_C).tolist()}
    step = 2.0
    for _ in range(HALVINGS):
        best = _best(tried)
        step /= 2
        tried |= {near: score(near) for near in (best - step, best + step) if -6 <= near <= 6 and near not in tried}
    return _best(tried)


def _best(tried: dict[float, float]) -> float:
    return min(tried, key=lambda exponent: (-tried[exponent], exponent))


def _fit_one(x: NDArray[np.floating], y: NDArray[np.int64], n_classes: int, C: float, max_iter: int) -> LinearProbe:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    present = np.unique(y)
    if len(present) < 2:
        raise UsageError(f"a linear probe needs samples of two classes or more; {len(present)} found")
    model = LogisticRegression(C=C, max_iter=max_iter)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # reported by `converged` instead
        model.fit(x.astype(np.float64), y)
    weight, bias = model.coef_, model.intercept_
    if len(present) == 2:  # scikit-learn gives one weight for two classes
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    whole, offsets = np.zeros((1, n_classes, x.shape[1])), np.full((1, n_classes), -np.inf)
    whole[0, present], offsets[0, present] = weight, bias
    return LinearProbe(whole, offsets, (C,), (bool((model.n_iter_ < max_iter).all()),))
