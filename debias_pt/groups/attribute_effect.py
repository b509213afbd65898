"""How much the attribute matters to a classifier, as paired differences with bootstrap intervals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from debias_pt.errors import UsageError
from debias_pt.groups.groups import Groups
from debias_pt.groups.paired import Difference

REPLICATES = 2000


class PairedBootstrap:
    """Accuracies by group of several classifiers on the same images, and of resamples of these images.

    Images are resampled within their groups, the same ones for all classifiers; with several runs the runs are
    resampled too, the same ones for all.

    Parameters
    ----------
    predictions : sequence of ndarray of int, shape (R, N)
        Of C classifiers with the same R runs.
    groups : Groups
        Of the N images.
    replicates : int
        B resamples.
    seed : int
        Of the resampling.

    Attributes
    ----------
    accuracy_ : ndarray, shape (1 + B, C, R, G)
        By group, NaN for empty ones; first of the images themselves, then of each resample.
    """

    def __init__(
        self, predictions: list[NDArray[np.int64]], groups: Groups, replicates: int = REPLICATES, seed: int = 0
    ) -> None:
        shapes = {one.shape for one in predictions}
        if len(shapes) != 1 or next(iter(shapes))[1] != len(groups):
            raise UsageError(f"predictions have shapes {sorted(shapes)} for {len(groups)} images; the same expected")
        correct = np.stack(predictions) == groups.y  # (C, R, N)
        rng = np.random.default_rng(seed)
        self.counts = groups.counts
        self.accuracy_ = np.full((1 + replicates, *correct.shape[:2], groups.n_groups), np.nan)
        for g in np.flatnonzero(self.counts):
            members = correct[:, :, groups.index == g].reshape(-1, self.counts[g])
            # Images that all classifiers treat alike are exchangeable: how often each kind is drawn is multinomial.
            kinds, sizes = np.unique(members, axis=1, return_counts=True)
            drawn = rng.multinomial(self.counts[g], sizes / self.counts[g], size=replicates)
            shares = np.vstack([sizes, drawn]) / self.counts[g]
            self.accuracy_[:, :, :, g] = (shares @ kinds.T).reshape(-1, *correct.shape[:2])
        runs = correct.shape[1]
        self._runs = np.vstack([np.arange(runs), rng.integers(runs, size=(replicates, runs))])

    def usual_gap(self, usual: NDArray[np.int64], of: int = 0) -> Difference | None:
        """Return how much better a classifier is on images with their class's usual attribute value.

        The accuracy on images of a class that have its usual value, less that on its other images; the mean over
        the classes that have both.

        Parameters
        ----------
        usual : ndarray of int, shape (K,)
            The usual value of each class, as found in training.
        of : int
            Which classifier.
        """
        values = len(self.counts) // len(usual)
        gaps = []
        for k, value in enumerate(usual):
            own = k * values + np.arange(values)
            other = own[(np.arange(values) != value) & (self.counts[own] > 0)]
            if self.counts[own[value]] and len(other):
                share = self.counts[other] / self.counts[other].sum()
                gaps.append(self.accuracy_[:, of, :, own[value]] - self.accuracy_[:, of][:, :, other] @ share)
        return self._over_runs(np.mean(gaps, axis=0)) if gaps else None

    def _over_runs(self, values: NDArray[np.float64]) -> Difference:
        """Return the mean over runs of ``(1 + B, R)`` values, and its interval over the resamples."""
        means = np.take_along_axis(values, self._runs, axis=1).mean(axis=1)
        low, high = np.percentile(means[1:], [2.5, 97.5])
        return Difference(float(means[0]), (float(low), float(high)))


def usual_values(train: Groups) -> NDArray[np.int64]:
    """Return each class's most frequent attribute value among training samples, shape ``(K,)``.

    Examples
    --------
    >>> groups = Groups(np.array([0, 0, 1]), np.eye(2)[[1, 1, 0]], ("cat", "dog"), ("in", "out"), "true")
    >>> usual_values(groups)
    array([1, 0])
    """
    counts = train.counts.reshape(len(train.class_names), -1)
    return np.asarray(counts.argmax(axis=1), dtype=np.int64)
