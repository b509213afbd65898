"""Given labels next to true labels: what every kind of noise and pseudo-labelling returns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.errors import UsageError
from debias_pt.features.table import FeatureTable


@dataclass(frozen=True)
class NoisyLabels:
    """n training samples with their given labels.

    Parameters
    ----------
    ids : tuple of str
        Their images.
    y_given : ndarray of int, shape (n,)
        Labels that training sees.
    y_true : ndarray of int, shape (n,)
        Labels of the data set. Training never sees them: they are for reports.
    n_classes : int
        K.
    kind : str
        How the labels were made.
    rate : float or None
        Requested share of wrong labels; None for pseudo labels.
    seed : int

    Raises
    ------
    UsageError
        If lengths differ, an image appears twice, or a label is out of range.

    Examples
    --------
    >>> labels = NoisyLabels(("a", "b"), np.array([0, 0]), np.array([0, 1]), 2, "symmetric", 0.5, seed=0)
    >>> labels.wrong, labels.realised
    (array([False,  True]), 0.5)
    """

    ids: tuple[str, ...]
    y_given: NDArray[np.int64]
    y_true: NDArray[np.int64]
    n_classes: int
    kind: str
    rate: float | None
    seed: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "y_given", np.asarray(self.y_given, dtype=np.int64))
        object.__setattr__(self, "y_true", np.asarray(self.y_true, dtype=np.int64))
        n = len(self.ids)
        if not len(set(self.ids)) == len(self.y_given) == len(self.y_true) == n:
            raise UsageError(
                f"{n} ids, {len(set(self.ids))} of them different, with {len(self.y_given)} given and "
                f"{len(self.y_true)} true labels; one of each per image expected"
            )
        both = np.concatenate([self.y_given, self.y_true])
        if n and not (both.min() >= 0 and both.max() < self.n_classes):
            raise UsageError(f"labels go from {both.min()} to {both.max()}; 0 to {self.n_classes - 1} expected")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """Which samples have a wrong label, shape ``(n,)``."""
        return np.asarray(self.y_given != self.y_true)

    @property
    def realised(self) -> float:
        """Share of wrong labels, 0 to 1; 0 for no samples."""
        return float(self.wrong.mean()) if len(self) else 0.0

    @property
    def counts_by_class(self) -> NDArray[np.int64]:
        """Samples and wrong samples by *given* class, shape ``(K, 2)``."""
        given = np.bincount(self.y_given, minlength=self.n_classes)
        wrong = np.bincount(self.y_given[self.wrong], minlength=self.n_classes)
        return np.stack([given, wrong], axis=1)

    @property
    def realised_by_class(self) -> NDArray[np.float64]:
        """Share of wrong labels by *given* class, shape ``(K,)``; NaN for a class without samples."""
        given, wrong = self.counts_by_class.T
        share = np.full(self.n_classes, np.nan)
        np.divide(wrong, given, out=share, where=given > 0)
        return share

    def rows(self, table: FeatureTable) -> NDArray[np.int64]:
        """Return the samples' rows in a table, shape ``(n,)``."""
        return table.rows_of(self.ids)

    def of(self, table: FeatureTable) -> FeatureTable:
        """Return a table to fit: its ``train`` rows are these samples with their given labels, in this order.

        The other splits follow with their true labels.
        """
        chosen = table.trained_on(self.rows(table))
        return replace(chosen, y=np.concatenate([self.y_given, chosen.y[len(self) :]]))

    def report(self) -> dict[str, Any]:
        """Return kind, requested and realised rates, overall and by given class, as plain JSON."""
        return {
            "kind": self.kind,
            "seed": self.seed,
            "samples": len(self),
            "wrong": int(self.wrong.sum()),
            "rate": self.rate,
            "realised": self.realised,
            "by_class": self.counts_by_class.tolist(),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain JSON."""
        return {
            "kind": self.kind,
            "rate": self.rate,
            "seed": self.seed,
            "n_classes": self.n_classes,
            "ids": list(self.ids),
            "y_given": self.y_given.tolist(),
            "y_true": self.y_true.tolist(),
        }
