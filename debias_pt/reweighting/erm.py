"""Empirical risk minimisation: every sample counts the same."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from debias_pt.reweighting import REWEIGHTERS
from debias_pt.reweighting.base import Reweighter
from debias_pt.utils.membership import Membership
from debias_pt.utils.registry import register


@register(REWEIGHTERS, "erm")
@dataclass(eq=False)
class Uniform(Reweighter):
    """Weight 1 for every sample: plain CoOp.

    Examples
    --------
    >>> scheduler = Uniform()
    >>> scheduler.start(torch.eye(2), torch.tensor([0, 1]), runs=1)
    >>> scheduler.weights_
    tensor([[1., 1.]])
    """

    fixed = True

    def _first_weights(self, class_of_group: Tensor) -> Tensor:
        return torch.ones_like(self.counts_)

    def _update(self, p: Tensor, losses: Tensor, membership: Membership) -> None:
        """Nothing to update."""
