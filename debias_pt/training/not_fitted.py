"""The error of an estimator that is used before it is fitted; scikit-learn is imported only to raise it."""

from __future__ import annotations

from sklearn import exceptions

from debias_pt.errors import UsageError


class NotFittedError(UsageError, exceptions.NotFittedError):  # type: ignore[misc]
    """Nothing was fitted or loaded yet; also scikit-learn's error of this name."""
