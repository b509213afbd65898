"""Which groups a row fits with: probed, annotated, shuffled or with wrong attributes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from debias_pt.datasets.splits import SPLITS
from debias_pt.groups.groups import Groups

from .case import TRAIN_ATTRIBUTES, VAL_ATTRIBUTES, Case

KINDS = ("uniform", "zero-shot", "zero-shot, most likely first")


@dataclass(frozen=True)
class Flipped:
    """Class x true attribute with exactly a share of the attributes of every split flipped.

    Parameters
    ----------
    kind : str
        ``"uniform"``: every sample is as likely to be flipped. ``"zero-shot"``: as likely as the probe's posterior
        of a wrong value says, drawn without replacement. ``"zero-shot, most likely first"``: those for which that
        posterior is highest; at the probe's own error rate this is the probe, for an attribute of two values.
    share : float
        Of the samples of every split, in [0, 1].
    seed : int
        Of the draw, which all runs share.
    """

    kind: str
    share: float
    seed: int = 0
    labels: ClassVar[tuple[str, ...]] = (TRAIN_ATTRIBUTES, VAL_ATTRIBUTES)

    def __call__(self, case: Case) -> Groups:
        """Return the groups of all rows."""
        true = case.prepared.require_true("the ablation probe-noise")
        likely = case.prepared.pseudo.posterior.copy()
        rows = np.arange(len(true))
        likely[rows, true.attribute] = 0.0
        values = true.attribute.copy()
        for number, split in enumerate(SPLITS):
            inside = np.flatnonzero(case.prepared.table.split == split)
            rng = np.random.default_rng([self.seed, number])
            chosen = inside[self.choose(likely[inside].sum(axis=1), rng)]
            wrong = rng.random(likely[chosen].shape) if self.kind == "uniform" else likely[chosen]
            wrong[np.arange(len(chosen)), true.attribute[chosen]] = -1.0
            values[chosen] = wrong.argmax(axis=1)
        return dataclasses.replace(true, values=values)

    def choose(self, wrong: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
        """Choose the samples of one split to flip, from the probe's posterior of a wrong value ``(n,)``."""
        size = round(self.share * len(wrong))
        if self.kind == "uniform":
            return rng.choice(len(wrong), size, replace=False)
        if self.kind == "zero-shot":
            # The k largest of log p + Gumbel noise are k draws without replacement.
            wrong = np.log(wrong + 1e-300) + rng.gumbel(size=len(wrong))
        return np.argsort(-wrong, kind="stable")[:size]

    def for_selection(self, case: Case) -> Groups:
        """Return the same groups: steps are selected with the same errors."""
        return self(case)


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
    """Class x the probe's answers."""

    labels: ClassVar[tuple[str, ...]] = ()

    def __call__(self, case: Case) -> Groups:
        """Return the pseudo groups."""
        return case.prepared.pseudo

    def for_selection(self, case: Case) -> Groups:
        """Return the pseudo groups."""
        return case.prepared.pseudo


@dataclass(frozen=True)
class Probed:
    """Class x the answers of a chosen probe.

    Parameters
    ----------
    probe : str
        As in the setting ``probe``.
    """

    probe: str
    labels: ClassVar[tuple[str, ...]] = ()

    def __call__(self, case: Case) -> Groups:
        """Return this probe's pseudo groups."""
        return case.asked(self.probe).pseudo

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

    Group sizes stay, but the groups mean nothing: whatever this gains does not come from the attribute.

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
        return dataclasses.replace(groups, values=groups.values[order])

    def for_selection(self, case: Case) -> Groups:
        """Return the permuted groups: the control knows nothing of the attribute."""
        return self(case)


@dataclass(frozen=True)
class Classes:
    """The classes as groups: balance over them is a control for balance over groups."""

    labels: ClassVar[tuple[str, ...]] = ()

    def __call__(self, case: Case) -> Groups:
        """Return one group per class."""
        return Groups.by_class(case.prepared.table.y, case.prepared.table.class_names)

    def for_selection(self, case: Case) -> Groups:
        """Return the same."""
        return self(case)
