"""What both estimators share: parameters of the fit, and prediction by an affine map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import validation
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from debias_pt.datasets.attributes import in_order
from debias_pt.errors import UsageError

Array = NDArray[np.float64]


class AffineClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Predicts by ``X @ weights.T + intercept``; subclasses learn both.

    Attributes
    ----------
    classes_ : ndarray, shape (K,)
    coef_ : ndarray, shape (K, D), or (1, D) for two classes
    intercept_ : ndarray, shape (K,), or (1,) for two classes
    """

    classes_: NDArray[Any]
    coef_: Array
    intercept_: Array

    def _rows(self, X: ArrayLike) -> NDArray[Any]:
        """Return checked features, as the affine map takes them."""
        rows: NDArray[Any] = _validated(self, X, reset=False)
        return rows

    def _checked(self, X: ArrayLike, y: ArrayLike) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Return checked features and class numbers; sets ``classes_``."""
        rows, labels = _validated(self, X, y)
        check_classification_targets(labels)
        self.classes_, numbers = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise UsageError(f"y has one class ({self.classes_[0]!r}); two or more expected, to tell one from another")
        return rows, numbers.astype(np.int64)

    def _take(self, weights: Array, intercept: Array) -> None:
        """Keep ``(K, D)`` weights and ``(K,)`` intercepts; for two classes their differences, as scikit-learn does."""
        two = len(self.classes_) == 2
        self.coef_ = weights[1:] - weights[:1] if two else weights
        self.intercept_ = intercept[1:] - intercept[:1] if two else intercept

    def decision_function(self, X: ArrayLike) -> Array:
        """Return logits ``(N, K)``; for two classes their difference ``(N,)``."""
        check_is_fitted(self)
        scores: Array = self._rows(X) @ self.coef_.T + self.intercept_
        return scores[:, 0] if len(self.classes_) == 2 else scores

    def predict_proba(self, X: ArrayLike) -> Array:
        """Return class probabilities, shape ``(N, K)``."""
        scores = self.decision_function(X)
        logits = np.stack([np.zeros_like(scores), scores], axis=1) if scores.ndim == 1 else scores
        probabilities: Array = softmax(logits.astype(np.float64), axis=1)
        return probabilities

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most probable class of each row, shape ``(N,)``."""
        scores = self.decision_function(X)
        best = (scores > 0).astype(np.int64) if scores.ndim == 1 else scores.argmax(axis=1)
        predicted: NDArray[Any] = self.classes_[best]
        return predicted


def _validated(estimator: Any, *data: ArrayLike, **options: Any) -> Any:
    """Return features, and labels if given, as scikit-learn checks them; before 1.6 that was a method."""
    if hasattr(validation, "validate_data"):
        return validation.validate_data(estimator, *data, dtype=(np.float64, np.float32), **options)
    return estimator._validate_data(*data, dtype=(np.float64, np.float32), **options)


def words_of(options: dict[str, Any] | None) -> tuple[str, ...]:
    """Return options of a method or a loss as settings take them.

    Examples
    --------
    >>> words_of({"eta": 3.0})
    ('eta=3.0',)
    """
    return tuple(f"{name}={value}" for name, value in (options or {}).items())


def values_of(attribute: ArrayLike, n: int) -> list[tuple[tuple[str, ...], NDArray[np.int64]]]:
    """Return names and numbers of the values of each column of an attribute, shape ``(N,)`` or ``(N, columns)``.

    Raises
    ------
    UsageError
        If it has another number of rows, or a value is missing.

    Examples
    --------
    >>> values_of(["sea", "land", "sea"], 3)
    [(('land', 'sea'), array([1, 0, 1]))]
    """
    array = np.asarray(attribute)
    if array.ndim not in (1, 2) or len(array) != n:
        raise UsageError(f"attribute has shape {array.shape} for {n} rows of X; give one value (or row of values) each")
    columns: Sequence[NDArray[Any]] = [array] if array.ndim == 1 else list(array.T)
    found = []
    for column in columns:
        missing = [row for row, value in enumerate(column.tolist()) if value is None or value != value]
        if missing:
            raise UsageError(f"attribute has no value in row {missing[0]} ({len(missing)} rows in all); fill it in")
        words = [str(value) for value in column.tolist()]
        names = in_order(words)
        number = {name: place for place, name in enumerate(names)}
        found.append((names, np.array([number[word] for word in words], dtype=np.int64)))
    return found
