"""Scores by group, as functions of labels and predictions, and as scorers that ask for the attribute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from debias_pt.errors import UsageError
from debias_pt.sklearn.base import values_of

Metric = Callable[..., float]


def group_accuracies(y_true: ArrayLike, y_pred: ArrayLike, attribute: ArrayLike) -> NDArray[np.float64]:
    """Return the accuracy of every group of class and attribute that has a row, shape ``(G,)``.

    Parameters
    ----------
    y_true, y_pred : array, shape (N,)
    attribute : array, shape (N,) or (N, columns)
        The attribute's value of each row; a group's number or name does as well.

    Raises
    ------
    UsageError
        If lengths differ or there is no row.

    Examples
    --------
    >>> group_accuracies([0, 0, 0, 1], [0, 1, 1, 1], ["land", "land", "sea", "sea"])
    array([0.5, 0. , 1. ])
    """
    true, predicted = np.asarray(y_true), np.asarray(y_pred)
    if true.shape != predicted.shape or true.ndim != 1 or not len(true):
        raise UsageError(f"y_true has shape {true.shape}, y_pred {predicted.shape}; two of (N,), N above 0, expected")
    columns = [np.unique(true, return_inverse=True)[1], *(numbers for _, numbers in values_of(attribute, len(true)))]
    group = np.unique(np.stack(columns), axis=1, return_inverse=True)[1].reshape(-1)
    return np.bincount(group, weights=true == predicted) / np.bincount(group)


def worst_group_score(y_true: ArrayLike, y_pred: ArrayLike, *, attribute: ArrayLike) -> float:
    """Return the accuracy of the worst group of class and attribute; see :func:`group_accuracies`.

    Examples
    --------
    >>> worst_group_score([0, 0, 0, 1], [0, 1, 0, 1], attribute=["land", "land", "sea", "sea"])
    0.5
    """
    return float(group_accuracies(y_true, y_pred, attribute).min())


def mean_group_score(y_true: ArrayLike, y_pred: ArrayLike, *, attribute: ArrayLike) -> float:
    """Return the plain mean of the groups' accuracies: smoother than the worst one where groups are small.

    Examples
    --------
    >>> mean_group_score([0, 0, 0, 1], [0, 1, 0, 0], attribute=["land", "land", "sea", "sea"])
    0.5
    """
    return float(group_accuracies(y_true, y_pred, attribute).mean())


def group_accuracy_gap(y_true: ArrayLike, y_pred: ArrayLike, *, attribute: ArrayLike) -> float:
    """Return average minus worst-group accuracy; less is better.

    Examples
    --------
    >>> group_accuracy_gap([0, 0, 0, 1], [0, 1, 0, 1], attribute=["land", "land", "sea", "sea"])
    0.25
    """
    average = float(np.mean(np.asarray(y_true) == np.asarray(y_pred)))
    return average - worst_group_score(y_true, y_pred, attribute=attribute)


def make_group_scorer(metric: Metric = worst_group_score, *, greater_is_better: bool | None = None) -> Any:
    """Return a scorer that asks for the attribute of the rows it scores.

    ``sklearn.set_config(enable_metadata_routing=True)`` has to be in force when it is used. Scoring by an annotated
    attribute chooses a model by that annotation, even where fitting does not use it.

    Parameters
    ----------
    metric : callable
        ``(y_true, y_pred, *, attribute)`` to a number: one of this module, or your own.
    greater_is_better : bool, optional
        Default: true for all but :func:`group_accuracy_gap`.

    Returns
    -------
    callable
        A scikit-learn scorer, for ``scoring=``.

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV
    >>> search = GridSearchCV(model, grid, scoring=make_group_scorer())    # doctest: +SKIP
    >>> search.fit(X, y, attribute=place)                                  # doctest: +SKIP
    """
    from sklearn import config_context
    from sklearn.metrics import make_scorer

    better = metric is not group_accuracy_gap if greater_is_better is None else greater_is_better
    with config_context(enable_metadata_routing=True):
        return make_scorer(metric, greater_is_better=better).set_score_request(attribute=True)
