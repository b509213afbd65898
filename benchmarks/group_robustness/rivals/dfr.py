"""Deep feature reweighting: the last layer refitted on balanced validation data; by true groups an oracle."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from ..case import CLASSES, VAL_ATTRIBUTES, Case, Fitted
from ..groupings import Annotated, Grouping

Layer = tuple[NDArray[np.float64], NDArray[np.float64]]  # coefficients (1 or K, D), intercepts (1 or K,)


@dataclass(frozen=True)
class DFR:
    """DFR on validation groups (Kirichenko et al., 2023, arXiv 2204.02937).

    Features are standardised on the training split; a logistic regression is fitted on equally many
    validation samples of every group; coefficients are averaged over several such draws. Its strength is
    chosen by worst-group accuracy on one half of validation, fitting on the other. It sees no training label.
    Where the paper's penalty is L1, ours is L2.

    Its recipe without annotation, by pseudo groups or by classes alone, tells what the group labels are worth and
    what is owed to a validation split that somebody has balanced over the attribute.

    Parameters
    ----------
    groups : Grouping
        What validation is balanced over, and the strength chosen by; true groups are the published method.
    draws : int
        Balanced subsets to average over.
    strengths : tuple of float
        Candidates for scikit-learn's ``C``.
    """

    groups: Grouping = field(default_factory=Annotated)
    draws: int = 10
    strengths: tuple[float, ...] = (0.001, 0.01, 0.1, 1.0)

    fitted_on: ClassVar[str] = "val"

    @property
    def labels(self) -> tuple[str, ...]:
        """What it saw: of the attribute, nothing but validation groups."""
        return (CLASSES, VAL_ATTRIBUTES) if self.groups.labels else (CLASSES,)

    def __call__(self, case: Case) -> Fitted:
        """Fit every seed: it draws the halves and the subsets."""
        table, val = case.prepared.table, case.split("val")
        groups = self.groups(case).rows(val)
        scaler = StandardScaler().fit(table.where("train").features)
        features = scaler.transform(table.features[val]).astype(np.float64)
        layers = [self.fit_one(features, groups.y, groups.index, seed) for seed in case.seeds]

        def predict(raw: NDArray[np.float32]) -> NDArray[np.int64]:
            scaled = scaler.transform(raw)
            return np.stack([labels(layer, scaled) for layer in layers])

        return Fitted(case.seeds, predict)

    def fit_one(
        self, features: NDArray[np.float64], y: NDArray[np.int64], groups: NDArray[np.int64], seed: int
    ) -> Layer:
        """Return the averaged layer of one seed."""
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(y))
        first, second = order[: len(y) // 2], order[len(y) // 2 :]

        def score(strength: float) -> float:
            rows = first[balanced(groups[first], np.random.default_rng(seed))]
            right = labels(refit(features[rows], y[rows], strength), features[second]) == y[second]
            return min(float(right[groups[second] == g].mean()) for g in np.unique(groups[second]))

        strength = max(self.strengths, key=score)
        draws = [balanced(groups, rng) for _ in range(self.draws)]
        layers = [refit(features[rows], y[rows], strength) for rows in draws]
        return np.mean([layer[0] for layer in layers], axis=0), np.mean([layer[1] for layer in layers], axis=0)


def balanced(groups: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw as many rows of every group as the smallest has.

    Examples
    --------
    >>> rows = balanced(np.array([0, 0, 0, 1, 1]), np.random.default_rng(0))
    >>> np.bincount(np.array([0, 0, 0, 1, 1])[rows])
    array([2, 2])
    """
    each = np.bincount(groups)
    size = each[each > 0].min()
    drawn = [rng.choice(np.flatnonzero(groups == g), size, replace=False) for g in np.flatnonzero(each)]
    return np.concatenate(drawn)


def refit(features: NDArray[np.float64], y: NDArray[np.int64], strength: float) -> Layer:
    """Fit one logistic regression."""
    model = LogisticRegression(C=strength, max_iter=5000).fit(features, y)
    return model.coef_, model.intercept_


def labels(layer: Layer, features: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the labels a layer gives."""
    scores = features @ layer[0].T + layer[1]
    return np.asarray(scores.argmax(axis=1) if scores.shape[1] > 1 else scores[:, 0] > 0, dtype=np.int64)
