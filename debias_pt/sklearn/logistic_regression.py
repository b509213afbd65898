"""Logistic regression whose samples are weighted by group."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state

from debias_pt.datasets.attributes import TrueAttribute
from debias_pt.groups.groups import Groups
from debias_pt.methods.composition import complete
from debias_pt.settings import FitSettings, resolve
from debias_pt.sklearn.base import AffineClassifier, values_of, words_of
from debias_pt.sklearn.logistic_fit import fit_logistic
from debias_pt.training.fit_checks import check_fit


class GroupReweightedLogisticRegression(AffineClassifier):
    """Softmax regression on standardised features, with group weights that may adapt during training.

    Parameters
    ----------
    method : str
        A scheduler: ``"balanced"``, ``"dpt"``, ``"group-dro"``, ``"anchored"``, ``"cvar"``, ``"erm"``, ...
    method_options : dict, optional
        Of the scheduler, such as ``{"eta": 3.0}``.
    loss : str
        Per-sample loss: ``"cross-entropy"``, ``"gce"``, ...
    loss_options : dict, optional
        Of the loss.
    alpha : float
        Strength of the penalty: the objective is ``mean(w * loss) + alpha / 2 * |coef|^2`` on standardised features,
        the intercept being free. With ``method="erm"`` and K > 2 classes that is scikit-learn's
        ``LogisticRegression(C=1 / (N * alpha))`` on standardised features; with two classes, which have a weight
        vector each here, ``C=2 / (N * alpha)``.
    steps : int
        Full-batch steps, or minibatch steps with `batch_size`.
    lr : float
        Peak learning rate.
    batch_size : int, optional
        Rows per step; default all.
    random_state : int, RandomState or None
        Order of the minibatches. Full-batch fits start at zero and draw nothing.

    Attributes
    ----------
    classes_ : ndarray, shape (K,)
    coef_, intercept_ : ndarray
        On `X` as given; shapes as in scikit-learn's ``LogisticRegression``.
    groups_ : Groups
        The training rows' groups.
    n_features_in_ : int

    Examples
    --------
    >>> from debias_pt.sklearn import GroupReweightedLogisticRegression, worst_group_score
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat([0, 1], 200)
    >>> place = np.where(np.arange(400) % 10 == 0, 1 - y, y)      # goes with the class nine times in ten
    >>> X = np.stack([y + rng.normal(size=400), 3 * place + rng.normal(size=400)], axis=1)
    >>> plain = GroupReweightedLogisticRegression("erm").fit(X, y)
    >>> robust = GroupReweightedLogisticRegression("balanced").fit(X, y, attribute=place)
    >>> [bool(worst_group_score(y, model.predict(X), attribute=place) > 0.5) for model in (plain, robust)]
    [False, True]
    """

    groups_: Groups

    def __init__(
        self,
        method: str = "balanced",
        *,
        method_options: dict[str, Any] | None = None,
        loss: str = "cross-entropy",
        loss_options: dict[str, Any] | None = None,
        alpha: float = 0.5,
        steps: int = 200,
        lr: float = 0.05,
        batch_size: int | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.method = method
        self.method_options = method_options
        self.loss = loss
        self.loss_options = loss_options
        self.alpha = alpha
        self.steps = steps
        self.lr = lr
        self.batch_size = batch_size
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike, attribute: ArrayLike | None = None) -> GroupReweightedLogisticRegression:
        """Fit.

        Parameters
        ----------
        X : array, shape (N, D)
        y : array, shape (N,)
            Classes.
        attribute : array, shape (N,) or (N, columns), optional
            The attribute's value of each row, as words or numbers; groups are class x attribute. A group's number does
            as well. Default: the classes are the groups.

        Raises
        ------
        UsageError
            If there is one class, the attribute has another length, or an option does not exist.
        """
        rows, labels = self._checked(X, y)
        names = [str(name) for name in self.classes_.tolist()]
        if attribute is None:
            self.groups_ = Groups.by_class(labels, names)
        else:
            known = [TrueAttribute(*column) for column in values_of(attribute, len(labels))]
            self.groups_ = Groups.true(labels, names, known)
        self._take(*fit_logistic(rows, self.groups_, fit_settings(self, self.method, lr=self.lr), self.alpha))
        return self


def fit_settings(estimator: Any, method: str, **more: Any) -> FitSettings:
    """Return the settings that an estimator's parameters describe."""
    options = {
        "method_option": words_of(estimator.method_options),
        "loss": estimator.loss,
        "loss_option": words_of(estimator.loss_options),
        "steps": estimator.steps,
        "batch_size": estimator.batch_size,
        "select": "last",
        "seed": int(check_random_state(estimator.random_state).randint(10**9)),
    }
    settings = complete(resolve(FitSettings, {"method": method}, options, more))
    check_fit(settings)
    return settings
