"""GroupDRO, which accumulates group losses over steps."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from debias_pt.errors import UsageError
from debias_pt.reweighting import REWEIGHTERS
from debias_pt.reweighting.base import Reweighter
from debias_pt.utils.membership import Membership, group_means
from debias_pt.utils.registry import register


@register(REWEIGHTERS, "group-dro")
@dataclass(eq=False)
class GroupDRO(Reweighter):
    """Group distributionally robust optimisation (Sagawa et al., 2020, arXiv 1911.08731, algorithm 1).

    Every step multiplies a group's share ``q_g`` by ``exp(eta * loss_g)`` and normalises; the
    objective is ``sum_g q_g * loss_g``. Unlike in DPT, the exponents add up over steps. A group
    that is absent from a batch keeps its share.

    Parameters
    ----------
    eta : float
        Step size of the shares; at least 0.

    Attributes
    ----------
    shares_ : Tensor, shape (R, G)
        ``q``, summing to one.

    Examples
    --------
    >>> scheduler = GroupDRO(eta=1.0)
    >>> scheduler.start(torch.eye(2), torch.tensor([0, 1]), runs=1)
    >>> losses = torch.tensor([[0.0, 1.0]])
    >>> scheduler(torch.exp(-losses), losses, torch.eye(2))
    tensor([[0.5379, 1.4621]])
    """

    eta: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.eta < math.inf:
            raise UsageError(f"eta is {self.eta}; GroupDRO takes 0 or more")

    def _first_weights(self, class_of_group: Tensor) -> Tensor:
        balanced = super()._first_weights(class_of_group)
        self.shares_ = (balanced * self.counts_ / self.counts_.sum(dim=-1, keepdim=True)).view(-1, balanced.shape[-1])
        return balanced

    def _update(self, p: Tensor, losses: Tensor, membership: Membership) -> None:
        means, sizes = group_means(losses, membership)
        exponent = self.eta * means  # an absent group has mean 0
        shares = self.shares_ * torch.exp(exponent - exponent.amax(dim=-1, keepdim=True))
        self.shares_ = shares / shares.sum(dim=-1, keepdim=True)
        per_sample = len(membership) * self.shares_ / sizes.clamp_min(1e-12)
        self.weights_ = torch.where(sizes > 0, per_sample, 0.0)
