"""Class-balanced weights: the gain without any attribute."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from debias_pt.reweighting import REWEIGHTERS
from debias_pt.reweighting.base import Reweighter, mean_one
from debias_pt.utils.membership import Membership
from debias_pt.utils.registry import register


@register(REWEIGHTERS, "class-balanced")
@dataclass(eq=False)
class ClassBalanced(Reweighter):
    """Every class gets the same total weight, whatever its attributes.

    The row to compare group-balanced methods with: part of their gain is class balance alone.

    Examples
    --------
    >>> scheduler = ClassBalanced()
    >>> membership = torch.eye(4)[[0, 0, 1, 2]]  # classes 0, 0, 0 and 1
    >>> scheduler.start(membership, torch.tensor([0, 0, 1, 1]), runs=1)
    >>> scheduler.weights_
    tensor([[0.6667, 0.6667, 2.0000, 2.0000]])
    """

    fixed = True

    def _first_weights(self, class_of_group: Tensor) -> Tensor:
        sizes = self.counts_.new_zeros(*self.counts_.shape[:-1], int(class_of_group.max()) + 1)
        of_class = sizes.index_add(-1, class_of_group, self.counts_)[..., class_of_group]
        return mean_one(torch.where(of_class > 0, 1 / of_class.clamp_min(1e-12), 0.0), self.counts_)

    def _update(self, p: Tensor, losses: Tensor, membership: Membership) -> None:
        """Nothing to update."""
