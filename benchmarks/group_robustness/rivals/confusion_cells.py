"""FG-CCDB's closed-form weights on the cells of a confusion matrix; no attribute label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from debias_pt.groups.groups import Groups
from debias_pt.groups.refinement.biased_head import fit_biased_head
from debias_pt.reweighting.base import Reweighter, mean_one
from debias_pt.utils.membership import Membership

from ..case import CLASSES, Case, Fitted
from .loop import fit

# Head and rows of `anchored`; the cells are hard.
HEAD: dict[str, Any] = {"head": "standardized", "fit_on": "train+val", "select": "last"}


@dataclass(frozen=True)
class ConfusionCells:
    """Class x predicted class as groups, weighted so that both are independent.

    FG-CCDB (Zhao et al., arXiv 2505.06831) describes the bias by the hard confusion matrix of models that
    overfit to it, and matches each class's distribution over predictions to the common one. Here the predictions
    are those of our cross-fitted, heavily shrunk linear head on frozen features, instead of its retrained
    networks; head and rows are those of ``anchored``.
    """

    labels: ClassVar[tuple[str, ...]] = (CLASSES,)

    def __call__(self, case: Case) -> Fitted:
        """Fit all seeds at once."""
        table = case.prepared.table
        rows = table.split != "test"
        k = len(table.class_names)
        values = table.y.copy()
        values[rows] = fit_biased_head(table.features[rows].astype(np.float64), table.y[rows], k).held_out.argmax(
            axis=1
        )
        names = tuple(f"like {name}" for name in table.class_names)
        groups = Groups.by_class(table.y, table.class_names).split_by(names, np.eye(k)[values])
        return fit(case, groups, groups, reweighter=IndependentCells(), method="balanced", **HEAD)


@dataclass(eq=False)
class IndependentCells(Reweighter):
    """Weights ``p(b) / (K p(y, b))`` for prediction b and class y, with every class counting the same.

    Under them every class has the same distribution over predictions, the one that all images have.

    Examples
    --------
    >>> import torch
    >>> cells = IndependentCells()
    >>> cells.start(torch.eye(4)[[0] * 6 + [1] * 2 + [3] * 2], torch.tensor([0, 0, 1, 1]), runs=1)
    >>> (cells.weights_ * cells.counts_).round(decimals=2)
    tensor([[3., 2., 0., 5.]])
    """

    def _first_weights(self, class_of_group: Tensor) -> Tensor:
        cells = self.counts_.reshape(int(class_of_group.max()) + 1, -1)
        of_prediction = cells.sum(dim=0, keepdim=True) * (cells > 0)
        shares = of_prediction / of_prediction.sum(dim=1, keepdim=True).clamp_min(1e-12)
        return mean_one((shares / cells.clamp_min(1e-12)).reshape(-1), self.counts_)

    def _update(self, p: Tensor, losses: Tensor, membership: Membership) -> None:
        """Nothing to update."""
