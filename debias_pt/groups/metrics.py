"""Group metrics: worst-group accuracy, the three averages, and how sure they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.errors import UsageError
from debias_pt.groups.groups import Groups
from debias_pt.utils.files import json_number

SCALARS = (
    "worst_group_accuracy",
    "average_accuracy",
    "adjusted_average_accuracy",
    "group_mean_accuracy",
    "gap",
)


@dataclass(frozen=True)
class GroupReport:
    """Accuracy of R runs on every group of a split.

    Parameters
    ----------
    correct : ndarray of int, shape (R, G)
        Right answers of each run in each group.
    counts : ndarray of int, shape (G,)
        Samples of each group; empty groups take part in nothing.
    train_counts : ndarray of int, shape (G,)
        Training samples of each group, for the adjusted average.
    labels : tuple of (str, str)
        Class and attribute of each group.
    source : {"true", "pseudo"}
        Where the groups come from.
    seeds : tuple of int
        One per run.

    Examples
    --------
    >>> report = GroupReport(np.array([[90, 3]]), np.array([100, 10]), np.array([300, 100]),
    ...                      (("bird", "land"), ("bird", "water")), "true", (0,))
    >>> report.worst_group_accuracy, report.average_accuracy.round(3), report.adjusted_average_accuracy
    (array([0.3]), array([0.845]), array([0.75]))
    """

    correct: NDArray[np.int64]
    counts: NDArray[np.int64]
    train_counts: NDArray[np.int64]
    labels: tuple[tuple[str, str], ...]
    source: str
    seeds: tuple[int, ...]

    @classmethod
    def of(
        cls, predictions: NDArray[np.int64], groups: Groups, train_counts: NDArray[np.int64], seeds: Sequence[int]
    ) -> GroupReport:
        """Compare predictions ``(R, N)`` with the labels of N samples, group by group.

        Raises
        ------
        UsageError
            If there are no samples, or as many predictions as samples are not given.
        """
        if predictions.shape != (len(seeds), len(groups)) or not len(groups):
            raise UsageError(
                f"predictions have shape {predictions.shape} for {len(seeds)} runs and {len(groups)} samples; "
                "give one row per run, one column per sample"
            )
        right = (predictions == groups.y).astype(np.float64)
        index = groups.index
        correct = np.stack([np.bincount(index, weights=row, minlength=groups.n_groups) for row in right])
        return cls(correct.astype(np.int64), groups.counts, train_counts, groups.labels, groups.source, tuple(seeds))

    @property
    def accuracy(self) -> NDArray[np.float64]:
        """Accuracy of each group, shape ``(R, G)``; NaN for empty groups."""
        return np.where(self.counts > 0, self.correct / np.maximum(self.counts, 1), np.nan)

    @property
    def worst_group_accuracy(self) -> NDArray[np.float64]:
        """Lowest accuracy over non-empty groups, shape ``(R,)``."""
        return np.asarray(np.nanmin(self.accuracy, axis=1))

    @property
    def average_accuracy(self) -> NDArray[np.float64]:
        """Plain share of right answers, shape ``(R,)``."""
        return np.asarray(self.correct.sum(axis=1) / self.counts.sum())

    @property
    def adjusted_average_accuracy(self) -> NDArray[np.float64]:
        """Group accuracies weighted by the groups' frequency in training, shape ``(R,)``.

        Groups that this split does not have are left out of the weights; NaN if none is left.
        """
        weights = np.where(self.counts > 0, self.train_counts, 0).astype(np.float64)
        if not weights.sum():
            return np.full(len(self.seeds), np.nan)
        return np.asarray((np.nan_to_num(self.accuracy) * weights).sum(axis=1) / weights.sum())

    @property
    def group_mean_accuracy(self) -> NDArray[np.float64]:
        """Plain mean over non-empty groups, shape ``(R,)``."""
        return np.asarray(np.nanmean(self.accuracy, axis=1))

    @property
    def gap(self) -> NDArray[np.float64]:
        """Average minus worst-group accuracy, shape ``(R,)``."""
        return self.average_accuracy - self.worst_group_accuracy

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON: means over runs, intervals, groups, and every run by itself.

        With one run the intervals are Wilson's, over samples (absent for the adjusted average, the
        mean over groups and the gap); with several they are Student's, over runs, cut at 0 and 1.
        """
        several = len(self.seeds) > 1
        report: dict[str, Any] = {name: json_number(getattr(self, name).mean()) for name in SCALARS}
        report["groups"] = [
            {"label": label, "attribute": value or None, "n": int(self.counts[g]), **self._group(g, several)}
            for g, (label, value) in enumerate(self.labels)
            if self.counts[g] or self.train_counts[g]  # a group that is nowhere is no group
        ]
        report["groups_from"] = self.source
        report["interval"] = "95 % Student, over seeds" if several else "95 % Wilson, over samples"
        report["intervals"] = self._intervals(several)
        report["per_seed"] = [
            {"seed": seed, **{name: json_number(getattr(self, name)[run]) for name in SCALARS}}
            for run, seed in enumerate(self.seeds)
        ]
        return report

    def _group(self, g: int, several: bool) -> dict[str, Any]:
        if not self.counts[g]:
            return {"accuracy": None, "ci": None}
        accuracy = self.accuracy[:, g]
        if several:
            return {"accuracy": json_number(accuracy.mean()), "ci": _clipped(student_interval(accuracy), 0.0)}
        ci = wilson_interval(int(self.correct[0, g]), int(self.counts[g]))
        return {"accuracy": json_number(accuracy.mean()), "ci": list(ci)}

    def _intervals(self, several: bool) -> dict[str, list[float]]:
        if several:
            values = {name: getattr(self, name) for name in SCALARS}
            return {
                name: _clipped(student_interval(v), -1.0 if name == "gap" else 0.0)
                for name, v in values.items()
                if np.isfinite(v).all()
            }
        worst = int(np.nanargmin(self.accuracy[0]))
        return {
            "worst_group_accuracy": list(wilson_interval(int(self.correct[0, worst]), int(self.counts[worst]))),
            "average_accuracy": list(wilson_interval(int(self.correct.sum()), int(self.counts.sum()))),
        }


def wilson_interval(correct: int, n: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of a share of right answers.

    Examples
    --------
    >>> [round(end, 3) for end in wilson_interval(8, 10)]
    [0.49, 0.943]
    """
    from scipy.stats import binomtest

    interval = binomtest(correct, n).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def student_interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the 95 % interval of a mean over runs, from Student's t.

    Examples
    --------
    >>> [round(end, 3) for end in student_interval(np.array([0.6, 0.7, 0.8]))]
    [0.452, 0.948]
    """
    from scipy.stats import t

    half = float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return float(values.mean()) - half, float(values.mean()) + half


def _clipped(interval: tuple[float, float], least: float) -> list[float]:
    """Return an interval of accuracies without what no accuracy can be."""
    return [min(max(end, least), 1.0) for end in interval]
