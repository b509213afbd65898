"""Group metrics: worst-group accuracy, the three averages, and how sure they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.datasets.attributes import TrueAttribute
from debias_pt.errors import UsageError
from debias_pt.groups.groups import Groups
from debias_pt.groups.intervals import effective_images, student_interval, wilson_interval, worst_group_interval
from debias_pt.utils.files import json_number

# Figures over all groups, and what they are called.
SCALARS = {
    "worst_group_accuracy": "worst-group accuracy",
    "average_accuracy": "average accuracy",
    "adjusted_average_accuracy": "adjusted average",
    "group_mean_accuracy": "mean over groups",
    "gap": "gap (average - worst group)",
}


@dataclass(frozen=True)
class GroupReport:
    """Accuracy of R runs on every group of a split.

    Parameters
    ----------
    correct : ndarray of int, shape (R, G)
        Right answers of each run in each group.
    counts : ndarray of int, shape (G,)
        Samples of each group; empty groups are ignored.
    train_counts : ndarray of int, shape (G,)
        Training samples of each group, for the adjusted average.
    labels : tuple of (str, str)
        Class and attribute of each group.
    source : {"true", "pseudo"}
        Where the groups come from.
    seeds : tuple of int
        One per run.
    images : ndarray of float, shape (G,), optional
        Effective images of each group, see :func:`~debias_pt.groups.intervals.effective_images`; default `counts`.

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
    images: NDArray[np.float64] | None = None

    @classmethod
    def of(
        cls, predictions: NDArray[np.int64], groups: Groups, train_counts: NDArray[np.int64], seeds: Sequence[int]
    ) -> GroupReport:
        """Compare predictions ``(R, N)`` with the labels of N samples, group by group.

        Raises
        ------
        UsageError
            If there are no samples, or the numbers of predictions and samples differ.
        """
        if predictions.shape != (len(seeds), len(groups)) or not len(groups):
            raise UsageError(
                f"predictions have shape {predictions.shape} for {len(seeds)} runs and {len(groups)} samples; "
                "give one row per run, one column per sample"
            )
        right = predictions == groups.y
        by_group = right[:, np.argsort(groups.index, kind="stable")]
        inside = np.split(by_group, np.cumsum(groups.counts)[:-1], axis=1)
        correct = np.stack([group.sum(axis=1) for group in inside], axis=1)
        images = np.array([effective_images(group) if group.size else 0.0 for group in inside])
        return cls(correct, groups.counts, train_counts, groups.labels, groups.source, tuple(seeds), images)

    @cached_property
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

        ``ci`` and ``intervals`` are Student's over seeds, cut at 0 and 1; with one run they are those over images
        (absent for the adjusted average, the mean over groups and the gap). ``image_ci`` and ``image_intervals``
        are over images with any number of runs: seeds tell nothing of 56 images.
        """
        several = len(self.seeds) > 1
        over_images = self._image_intervals()
        report: dict[str, Any] = {name: json_number(getattr(self, name).mean()) for name in SCALARS}
        # A group that is nowhere is no group.
        shown = [g for g in range(len(self.labels)) if self.counts[g] or self.train_counts[g]]
        report["groups"] = [self._group(g, several) for g in shown]
        report["groups_from"] = self.source
        report["interval"] = "95 % Student, over seeds" if several else "95 % Wilson, over samples"
        report["intervals"] = self._seed_intervals() if several else over_images
        report["image_interval"] = "95 % Wilson, over images"
        report["image_intervals"] = over_images
        report["per_seed"] = [
            {
                "seed": seed,
                **{name: json_number(getattr(self, name)[run]) for name in SCALARS},
                "groups": [json_number(self.accuracy[run, g]) for g in shown],
            }
            for run, seed in enumerate(self.seeds)
        ]
        return report

    def _repr_html_(self) -> str:
        """Show the report in a notebook: a chart, with its table."""
        from debias_pt.groups.report_view import group_chart
        from debias_pt.pages.render import fragment

        return fragment(group_chart(self.to_dict()))

    @property
    def _images(self) -> NDArray[np.float64]:
        return self.counts.astype(np.float64) if self.images is None else self.images

    def _group(self, g: int, several: bool) -> dict[str, Any]:
        label, value = self.labels[g]
        group: dict[str, Any] = {"label": label, "attribute": value or None, "n": int(self.counts[g])}
        if not self.counts[g]:
            return {**group, "accuracy": None, "ci": None, "image_ci": None}
        accuracy = self.accuracy[:, g]
        mean, images = float(accuracy.mean()), float(self._images[g])
        over_images = list(wilson_interval(mean * images, images))
        over_seeds = _clipped(student_interval(accuracy), 0.0) if several else over_images
        return {**group, "accuracy": mean, "ci": over_seeds, "image_ci": over_images}

    def _seed_intervals(self) -> dict[str, list[float]]:
        values = {name: getattr(self, name) for name in SCALARS}
        return {
            name: _clipped(student_interval(v), -1.0 if name == "gap" else 0.0)
            for name, v in values.items()
            if np.isfinite(v).all()
        }

    def _image_intervals(self) -> dict[str, list[float]]:
        there = self.counts > 0
        images = float(self._images.sum())
        return {
            "worst_group_accuracy": list(worst_group_interval(self.accuracy[:, there], self._images[there])),
            "average_accuracy": list(wilson_interval(float(self.average_accuracy.mean()) * images, images)),
        }


def _clipped(interval: tuple[float, float], least: float) -> list[float]:
    """Return an interval of accuracies, cut at 0 and 1."""
    return [min(max(end, least), 1.0) for end in interval]


def known_counts(groups: Groups, fitted: Groups | None, annotated: Mapping[str, TrueAttribute]) -> NDArray[np.int64]:
    """Return how often groups are among the training rows, as far as that is known; else zeros, shape ``(G,)``.

    Known are the groups that were fitted with, and those of the training rows' annotations, each and all together.
    """
    if fitted is not None:
        of_all = list(annotated.values())
        choices = [[true] for true in of_all] + ([of_all] if len(of_all) > 1 else [])
        known = [fitted, *(Groups.true(fitted.y, fitted.class_names, some) for some in choices)]
        for one in known:
            if (one.source, one.names) == (groups.source, groups.names):
                return one.counts
    return np.zeros(groups.n_groups, dtype=np.int64)
