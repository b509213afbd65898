"""Just train twice: the early model's own errors count more."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from debias_pt.groups.groups import Groups
from debias_pt.reweighting import Reweighter
from debias_pt.reweighting.base import mean_one
from debias_pt.utils.membership import Membership

from ..case import CLASSES, Case, Fitted, joined
from .loop import fit

RIGHT_WRONG = ("right", "wrong")


@dataclass(eq=False)
class UpWeight(Reweighter):
    """``factor`` for samples of the last attribute value, 1 for the others, scaled to mean 1."""

    factor: float
    uses_attributes: ClassVar[bool] = False  # no attribute is needed

    def _first_weights(self, class_of_group: Tensor) -> Tensor:
        per_class = len(class_of_group) // (int(class_of_group.max()) + 1)
        last = torch.arange(len(class_of_group), device=self.counts_.device) % per_class == per_class - 1
        return mean_one(torch.where(last, self.factor, 1.0), self.counts_)

    def _update(self, p: Tensor, losses: Tensor, membership: Membership) -> None:
        """Nothing to update."""


@dataclass(frozen=True)
class JTT:
    """Just train twice (Liu et al., 2021, arXiv 2107.09044).

    A prompt is tuned for a short time; the training samples it gets wrong are the error set; a new prompt is
    tuned for the whole budget with these counting ``factor`` times. Every seed has its own error set.

    Parameters
    ----------
    early : float
        Length of the first training, as a share of the budget.
    factor : float
        Weight of the error set against the rest. The released code *adds* ``up_weight`` copies of it to the training
        set: its ``up_weight`` is this minus 1.
    """

    early: float = 0.2
    factor: float = 10.0
    labels: ClassVar[tuple[str, ...]] = (CLASSES,)

    def __call__(self, case: Case) -> Fitted:
        """Fit every seed by itself: error sets differ."""
        return joined([self._fit_one(case, seed) for seed in case.seeds])

    def _fit_one(self, case: Case, seed: int) -> Fitted:
        table, pseudo = case.prepared.table, case.prepared.pseudo
        own: dict[str, Any] = {"method": "erm", "seed": seed, "seeds": 1}
        steps = max(1, round(self.early * case.settings.steps))
        early = fit(case, pseudo, pseudo, **own, steps=steps, select="last")
        wrong = early.predict(table.features)[0] != table.y
        second = fit(case, error_groups(pseudo, wrong), pseudo, **own, reweighter=UpWeight(self.factor))
        return dataclasses.replace(second, flagged=wrong[table.split == "train"][None])


def error_groups(groups: Groups, wrong: NDArray[np.bool_]) -> Groups:
    """Return class x right or wrong, from a model's errors ``(N,)``."""
    posterior = np.eye(2)[wrong.astype(np.int64)]
    return Groups(groups.y, posterior, groups.class_names, RIGHT_WRONG, "pseudo")
