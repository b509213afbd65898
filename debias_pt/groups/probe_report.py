"""How good the probe is, where true attributes are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.errors import UsageError
from debias_pt.groups.groups import Groups
from debias_pt.utils.files import json_number
from debias_pt.utils.words import percent


@dataclass(frozen=True)
class ProbeReport:
    """Pseudo groups against true groups of the same samples.

    Parameters
    ----------
    confusion : ndarray of int, shape (G, G)
        Samples by true group (rows) and pseudo group (columns).
    class_names, attribute_names : tuple of str
        What the groups are made of.

    Examples
    --------
    >>> y, true, answer = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    >>> groups = [Groups(y, np.eye(2)[a], ("cat", "dog"), ("in", "out"), "true") for a in (answer, true)]
    >>> report = probe_report(*groups)
    >>> report.accuracy, report.recall.tolist()
    (0.75, [0.5, 1.0, nan, 1.0])
    """

    confusion: NDArray[np.int64]
    class_names: tuple[str, ...]
    attribute_names: tuple[str, ...]

    @property
    def accuracy(self) -> float:
        """Share of samples whose attribute is right."""
        return float(np.trace(self.confusion) / self.confusion.sum())

    @property
    def majority_accuracy(self) -> float:
        """Share that would be right if each class's most frequent true value were named for all of it."""
        k, a = len(self.class_names), len(self.attribute_names)
        true = self.confusion.sum(axis=1).reshape(k, a)
        return float(true.max(axis=1).sum() / true.sum())

    @property
    def balanced_accuracy(self) -> float:
        """Mean of :attr:`recall` over the true groups there are.

        Naming each class's most frequent value reaches ``1 / A`` where every class has all A values.
        """
        return float(np.nanmean(self.recall))

    @property
    def worst_group(self) -> int:
        """The true group with the lowest :attr:`recall`."""
        return int(np.nanargmin(self.recall))

    @property
    def per_value(self) -> NDArray[np.float64]:
        """Share of right attributes among samples of each true value, shape ``(A,)``."""
        k, a = len(self.class_names), len(self.attribute_names)
        by_class = np.arange(k * a).reshape(k, a)
        right = np.diag(self.confusion)[by_class].sum(axis=0)
        return _share(right, self.confusion.sum(axis=1)[by_class].sum(axis=0))

    @property
    def recall(self) -> NDArray[np.float64]:
        """Share of each true group that the probe puts there, shape ``(G,)``: accuracy per (class, value)."""
        return _share(np.diag(self.confusion), self.confusion.sum(axis=1))

    @property
    def precision(self) -> NDArray[np.float64]:
        """Share of each pseudo group that belongs there, shape ``(G,)``."""
        return _share(np.diag(self.confusion), self.confusion.sum(axis=0))

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON.

        ``worst_group_recall`` and ``worst_group_precision`` are the lowest of each, which may be of two groups;
        ``worst_group`` is one group.
        """
        values = zip(self.attribute_names, _numbers(self.per_value), strict=True)
        groups = [(label, value) for label in self.class_names for value in self.attribute_names]
        recall, precision = _numbers(self.recall), _numbers(self.precision)
        rows = [
            {
                "label": label,
                "attribute": value,
                "recall": recall[g],
                "accuracy": recall[g],  # the older name, for one version
                "precision": precision[g],
                "n_true": int(self.confusion[g].sum()),
                "n_pseudo": int(self.confusion[:, g].sum()),
            }
            for g, (label, value) in enumerate(groups)
        ]
        return {
            "accuracy": self.accuracy,
            "majority_accuracy": self.majority_accuracy,
            "balanced_accuracy": self.balanced_accuracy,
            "per_value": dict(values),
            "worst_group": rows[self.worst_group],
            "worst_group_recall": min((r for r in recall if r is not None), default=None),
            "worst_group_precision": min((p for p in precision if p is not None), default=None),
            "groups": rows,
        }


def probe_report(pseudo: Groups, true: Groups) -> ProbeReport:
    """Compare the probe's answers with what is annotated.

    Raises
    ------
    UsageError
        If the two do not cover the same samples and values.
    """
    if pseudo.attribute_names != true.attribute_names or len(pseudo) != len(true):
        raise UsageError(
            f"pseudo groups have values {pseudo.attribute_names} for {len(pseudo)} samples, true groups "
            f"{true.attribute_names} for {len(true)}; they must match"
        )
    g = true.n_groups
    confusion = np.bincount(true.index * g + pseudo.index, minlength=g * g).reshape(g, g)
    return ProbeReport(confusion.astype(np.int64), true.class_names, true.attribute_names)


def _share(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def probe_sentence(probe: Mapping[str, Any]) -> str:
    """Say how good a probe is, from its report as JSON, with what can be had without looking at any image.

    Examples
    --------
    >>> worst = {"label": "cat", "attribute": "out", "accuracy": 0.5, "precision": None}
    >>> probe_sentence({"accuracy": 0.9, "majority_accuracy": 0.95, "balanced_accuracy": 0.7, "worst_group": worst})
    "right for 90.0 % of the training images (naming each class's majority: 95.0 %; mean over groups 70.0 %); \
worst group (cat, out): recall 50.0 %, precision - %"
    """
    worst = probe["worst_group"]
    figures = (probe[name] for name in ("accuracy", "majority_accuracy", "balanced_accuracy"))
    right, majority, balanced, recall, precision = map(percent, (*figures, worst["accuracy"], worst["precision"]))
    return (
        f"right for {right} % of the training images (naming each class's majority: {majority} %; mean over groups "
        f"{balanced} %); worst group ({worst['label']}, {worst['attribute']}): recall {recall} %, precision "
        f"{precision} %"
    )


def _numbers(values: NDArray[np.float64]) -> list[float | None]:
    return [json_number(value) for value in values]
