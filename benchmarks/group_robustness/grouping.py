"""Where a row's groups come from."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from debias_pt.groups import Groups

from .case import TRAIN_ATTRIBUTES, Case


class Grouping(Protocol):
    """Gives the groups of all rows to fit with. A frozen dataclass."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The attribute labels it saw."""

    def __call__(self, case: Case) -> Groups:
        """Return the groups to fit with."""

    def for_selection(self, case: Case) -> Groups:
        """Return the groups to select steps by."""


@dataclass(frozen=True)
class Pseudo:
    """Class x what the probe said."""

    labels: ClassVar[tuple[str, ...]] = ()

    def __call__(self, case: Case) -> Groups:
        """Return the pseudo groups."""
        return case.prepared.pseudo

    def for_selection(self, case: Case) -> Groups:
        """Return the pseudo groups."""
        return case.prepared.pseudo


@dataclass(frozen=True)
class Probed:
    """Class x what a probe of one's own choice said.

    Parameters
    ----------
    probe : str
        As in the setting ``probe``.
    """

    probe: str
    labels: ClassVar[tuple[str, ...]] = ()

    def __call__(self, case: Case) -> Groups:
        """Return this probe's pseudo groups."""
        return case.prepared.probed_by(self.probe).pseudo

    def for_selection(self, case: Case) -> Groups:
        """Return the same: steps are selected by what the method believes."""
        return self(case)


@dataclass(frozen=True)
class Annotated:
    """Class x annotated attribute: an oracle. Steps are still selected by pseudo groups."""

    labels: ClassVar[tuple[str, ...]] = (TRAIN_ATTRIBUTES,)

    def __call__(self, case: Case) -> Groups:
        """Return the true groups."""
        return case.prepared.require_true("a row with true groups")

    def for_selection(self, case: Case) -> Groups:
        """Return the pseudo groups."""
        return case.prepared.pseudo


@dataclass(frozen=True)
class Shuffled:
    """The probe's answers permuted among the samples of a class and split: a control.

    Group sizes stay, what they mean is gone: what this gains was not gained by the attribute.

    Parameters
    ----------
    seed : int
        Of the one permutation that all runs share.
    """

    seed: int = 0
    labels: ClassVar[tuple[str, ...]] = ()

    def __call__(self, case: Case) -> Groups:
        """Return the permuted groups."""
        groups, split = case.prepared.pseudo, case.prepared.table.split
        rng = np.random.default_rng(self.seed)
        order = np.arange(len(groups))
        for name in np.unique(split):
            for label in range(len(groups.class_names)):
                rows = np.flatnonzero((split == name) & (groups.y == label))
                order[rows] = rng.permutation(rows)
        return dataclasses.replace(groups, posterior=groups.posterior[order])

    def for_selection(self, case: Case) -> Groups:
        """Return the permuted groups: the control knows nothing of the attribute."""
        return self(case)
