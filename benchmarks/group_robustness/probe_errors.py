"""The probe's pseudo attributes as label noise: true attributes with errors like the probe's. All are oracles."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from debias_pt.datasets.splits import SPLITS
from debias_pt.errors import UsageError
from debias_pt.groups.groups import Groups

from .case import TRAIN_ATTRIBUTES, VAL_ATTRIBUTES, Case

SHAPES = ("rate", "attribute", "group")


@dataclass(frozen=True)
class Confused:
    """Class x true attribute, wrong as often as the probe but on other samples.

    Parameters
    ----------
    shape : str
        What of the probe's errors is kept, in every split. ``"rate"``: their number; samples and wrong values are
        uniform. ``"attribute"``: the confusion matrix from true to pseudo attribute. ``"group"``: this matrix within
        every class, hence every group's error rate; only *which* samples differs.
    seed : int
        Of the draw, which all runs share.

    Raises
    ------
    UsageError
        For another shape, or where attributes are not annotated.
    """

    shape: str
    seed: int = 0
    labels: ClassVar[tuple[str, ...]] = (TRAIN_ATTRIBUTES, VAL_ATTRIBUTES)

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            raise UsageError(f"shape is {self.shape!r}; {', '.join(SHAPES)} expected")

    def __call__(self, case: Case) -> Groups:
        """Return the groups of all rows."""
        true = case.prepared.require_true("true attributes with the probe's errors")
        answers, split = case.prepared.pseudo.attribute, case.prepared.table.split
        values = true.attribute.copy()
        for number, name in enumerate(SPLITS):
            rng = np.random.default_rng([self.seed, number])
            inside = np.flatnonzero(split == name)
            if self.shape == "rate":
                values[inside] = flipped(true.attribute[inside], answers[inside], len(true.attribute_names), rng)
                continue
            cells = true.attribute if self.shape == "attribute" else true.index
            for cell in np.unique(cells[inside]):
                rows = inside[cells[inside] == cell]
                values[rows] = rng.permutation(answers[rows])
        return dataclasses.replace(true, values=values)

    def for_selection(self, case: Case) -> Groups:
        """Return the same groups: steps are selected with the same errors."""
        return self(case)


def flipped(
    true: NDArray[np.int64], answers: NDArray[np.int64], n_values: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return true attributes with as many uniform errors as the probe made.

    Examples
    --------
    >>> true, answers = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    >>> int((flipped(true, answers, 2, np.random.default_rng(0)) != true).sum())
    1
    """
    values: NDArray[np.int64] = true.copy()
    chosen = rng.choice(len(true), int((true != answers).sum()), replace=False)
    values[chosen] = (true[chosen] + rng.integers(1, n_values, len(chosen))) % n_values
    return values


def confusion_matrix(case: Case, groups: Groups, split: str = "train") -> NDArray[np.int64]:
    """Return how often each true group's samples got each attribute value, shape ``(G, A)``; an oracle."""
    true, rows = case.prepared.require_true("a confusion matrix"), case.split(split)
    counts = np.zeros((true.n_groups, len(true.attribute_names)), dtype=np.int64)
    np.add.at(counts, (true.index[rows], groups.attribute[rows]), 1)
    return counts
