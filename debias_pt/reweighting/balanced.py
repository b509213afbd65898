"""Group-balanced weights."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from debias_pt.reweighting import REWEIGHTERS
from debias_pt.reweighting.base import Reweighter
from debias_pt.utils.membership import Membership
from debias_pt.utils.registry import register


@register(REWEIGHTERS, "balanced")
@dataclass(eq=False)
class Balanced(Reweighter):
    """Every non-empty group gets the same total weight: ``w_g`` proportional to ``1 / N_g``.

    Examples
    --------
    >>> import torch
    >>> scheduler = Balanced()
    >>> membership = torch.tensor([[1.0, 0], [1, 0], [1, 0], [0, 1]])
    >>> scheduler.start(membership, torch.tensor([0, 1]), runs=1)
    >>> scheduler.weights_
    tensor([[0.6667, 2.0000]])
    """

    fixed = True

    def _update(self, p: Tensor, losses: Tensor, membership: Membership) -> None:
        """Nothing to update."""
