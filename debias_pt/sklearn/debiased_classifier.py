"""A classifier of image features that does not lean on a shortcut, whether the shortcut is known or not."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from debias_pt.datasets.attributes import is_number
from debias_pt.errors import UsageError
from debias_pt.features.table import FeatureTable, table_from_arrays
from debias_pt.groups.groups import Groups
from debias_pt.models.backbone import Backbone
from debias_pt.models.heads import HEADS
from debias_pt.settings import FitSettings
from debias_pt.sklearn.base import AffineClassifier
from debias_pt.sklearn.groups_of import AUTO, Asked, find_groups
from debias_pt.sklearn.logistic_fit import fit_logistic
from debias_pt.sklearn.logistic_regression import fit_settings
from debias_pt.training.fit_checks import require_linear
from debias_pt.training.tuner import Tuner
from debias_pt.utils.registry import lookup

LOGISTIC = "logistic"


class DebiasedClassifier(AffineClassifier):
    """Classifies image features; groups come from annotations, words, discovery, or the features themselves.

    Only the direction of a row counts: rows are scaled to length 1, as everywhere in this package.

    Parameters
    ----------
    method : str
        A scheduler, or ``"auto"``: ``anchored`` for groups that are given or that the guard lets words make, else
        ``inferred``.
    attribute : str, Attribute or sequence of such, optional
        What the model may lean on. ``"background=land:water"`` asks the model in words (several in a list);
        ``"auto"`` looks for words that explain errors; ``"infer"``, the default, needs neither words nor a model. An
        array of values goes to :meth:`fit`.
    backbone : Backbone, optional
        The model that made the features; needed for words and for heads that read the class names. Clones share it.
    class_names : sequence of str, optional
        K names in the order of the sorted labels, for prompts; default the labels themselves.
    head : str
        ``"logistic"``, or a head of :class:`~debias_pt.training.tuner.Tuner`, such as ``"prompt"``.
    method_options, loss, loss_options, alpha, steps, lr, batch_size, random_state
        As for :class:`~debias_pt.sklearn.GroupReweightedLogisticRegression`. `alpha` is for the logistic head; `lr` is
        by default 0.05 for the logistic head and that of the package, 0.004, for others.

    Attributes
    ----------
    classes_ : ndarray, shape (K,)
    coef_, intercept_ : ndarray
        On rows of length 1.
    groups_ : Groups
        The training rows' groups.
    groups_from_ : {"given", "words", "found", "inferred", "classes"}
        Where they come from.
    method_ : str
        The scheduler that was used.
    oracle_ : bool
        Whether an array of attribute values was given; if it is annotated, the fit is an oracle.
    facts_ : dict
        Plain JSON: the attributes asked about, the guard's verdict, what was inferred, why words were not used.
    tuner_ : Tuner
        With a head other than ``"logistic"``.
    n_features_in_ : int

    Examples
    --------
    >>> from debias_pt.sklearn import DebiasedClassifier
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["cat", "dog"], 100)
    >>> X = rng.normal(size=(200, 4)) + np.where(y == "dog", 2, -2)[:, None]
    >>> model = DebiasedClassifier().fit(X, y)
    >>> model.groups_from_, float(model.score(X, y)) > 0.9
    ('inferred', True)
    """

    groups_: Groups
    groups_from_: str
    method_: str
    oracle_: bool
    facts_: dict[str, Any]
    tuner_: Tuner

    def __init__(
        self,
        method: str = AUTO,
        *,
        attribute: Asked = None,
        backbone: Backbone | None = None,
        class_names: Any = None,
        head: str = LOGISTIC,
        method_options: dict[str, Any] | None = None,
        loss: str = "cross-entropy",
        loss_options: dict[str, Any] | None = None,
        alpha: float = 0.5,
        steps: int = 200,
        lr: float | None = None,
        batch_size: int | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.method = method
        self.attribute = attribute
        self.backbone = backbone
        self.class_names = class_names
        self.head = head
        self.method_options = method_options
        self.loss = loss
        self.loss_options = loss_options
        self.alpha = alpha
        self.steps = steps
        self.lr = lr
        self.batch_size = batch_size
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike, attribute: Asked = None) -> DebiasedClassifier:
        """Fit.

        Parameters
        ----------
        X : array, shape (N, D)
            Image features.
        y : array, shape (N,)
            Classes.
        attribute : optional
            Instead of the estimator's own: its value for each row, shape ``(N,)`` or ``(N, columns)``, or words.

        Raises
        ------
        UsageError
            If words are given without a model, the features do not fit the model, there is one class, or a method,
            head or option does not exist.

        Warns
        -----
        DebiasWarning
            If the data do not support what was asked for, and something simpler was done.
        """
        rows, labels = self._checked(X, y)
        self._require_model(rows.shape[1])
        table = table_from_arrays(rows, labels, self._names(), split="train", name="X")
        asked = self.attribute if attribute is None else attribute
        found = find_groups(asked, self.method, table, self.backbone)
        self.groups_, self.method_, self.groups_from_, self.facts_ = (
            found.groups, found.method, found.source, found.facts,
        )  # fmt: skip
        self.oracle_ = found.source == "given"
        self._take(*(self._fit_logistic(table) if self.head == LOGISTIC else self._fit_tuner(table)))
        return self

    def _require_model(self, dim: int) -> None:
        if self.head != LOGISTIC:
            lookup({LOGISTIC: None, **dict.fromkeys(HEADS)}, self.head, "head")
            require_linear(FitSettings(head=self.head), "coef_")
            if self.backbone is None:
                raise UsageError(f"head is {self.head!r}, which needs the model; give backbone=..., or head='logistic'")
        if self.backbone is not None and self.backbone.dim != dim:
            raise UsageError(f"X has {dim} features, {self.backbone!r} makes {self.backbone.dim}; give X its features")

    def _names(self) -> list[str]:
        """Return the names of the classes for prompts."""
        labels = [str(name) for name in self.classes_.tolist()]
        if self.class_names is not None:
            if len(self.class_names) != len(labels):
                raise UsageError(f"{len(self.class_names)} class_names for {len(labels)} classes; give one each")
            return [str(name) for name in self.class_names]
        if self.head not in (LOGISTIC, "linear", "standardized") and any(map(is_number, labels)):
            raise UsageError(f"the class {labels[0]!r} is a number, which means nothing in a prompt; give class_names")
        return labels

    def _fit_logistic(self, table: FeatureTable) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        settings = fit_settings(self, self.method_, lr=0.05 if self.lr is None else self.lr)
        return fit_logistic(table.features, self.groups_, settings, self.alpha)

    def _fit_tuner(self, table: FeatureTable) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        assert self.backbone is not None
        lr = {} if self.lr is None else {"lr": self.lr}
        settings = fit_settings(self, self.method_, head=self.head, fit_on="train", **lr)
        self.tuner_ = Tuner(self.backbone, settings).fit(table, self.groups_)
        weights = self.tuner_.scale_ * self.tuner_.class_weights_[0].astype(np.float64)
        return weights, np.zeros(len(weights))

    def _rows(self, X: ArrayLike) -> NDArray[Any]:
        rows = super()._rows(X)
        length: NDArray[Any] = np.linalg.norm(rows, axis=1, keepdims=True)
        return rows / np.where(length > 0, length, 1)
