"""Conditional value at risk: the worst share of the samples, whatever their group."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from debias_pt.errors import UsageError
from debias_pt.reweighting import REWEIGHTERS
from debias_pt.reweighting.base import Reweighter
from debias_pt.utils.membership import Membership, group_means
from debias_pt.utils.registry import register


@register(REWEIGHTERS, "cvar")
@dataclass(eq=False)
class CVaR(Reweighter):
    """Mean loss of the worst ``alpha`` of the samples (CVaR DRO; Levy et al., 2020, arXiv 2010.05893).

    The objective is the largest weighted mean loss over weights between 0 and ``1 / alpha`` that have
    mean 1. The ``alpha * B`` samples of highest loss get ``1 / alpha``, the one at the edge the rest.
    It needs no groups, hence no named attribute. Samples of equal loss at the edge get the weight that is
    left in the order of the batch.

    Parameters
    ----------
    alpha : float
        Share of the batch, in (0, 1]; at 1 it is plain empirical risk.

    Raises
    ------
    UsageError
        If alpha is outside (0, 1].

    Examples
    --------
    >>> scheduler = CVaR(alpha=0.3)
    >>> scheduler.start(torch.ones(5, 1), torch.tensor([0]), runs=1)
    >>> losses = torch.tensor([[0.1, 0.5, 0.3, 0.2, 0.4]])
    >>> scheduler(torch.exp(-losses), losses, torch.ones(5, 1))
    tensor([[0.0000, 3.3333, 0.0000, 0.0000, 1.6667]])
    """

    alpha: float = 0.2

    def __post_init__(self) -> None:
        if not 0 < self.alpha <= 1:
            raise UsageError(f"alpha is {self.alpha}; CVaR takes 0 < alpha <= 1")

    def _first_weights(self, class_of_group: Tensor) -> Tensor:
        return torch.ones_like(self.counts_)

    def _update(self, p: Tensor, losses: Tensor, membership: Membership) -> None:
        """Nothing to update: a sample's loss decides, not its group."""

    def _of_samples(self, losses: Tensor, membership: Membership) -> Tensor:
        share = self.alpha * losses.shape[-1]
        order = losses.argsort(dim=-1, descending=True, stable=True)
        by_rank = (share - torch.arange(losses.shape[-1], device=losses.device)).clamp(0, 1) / self.alpha
        weights = torch.zeros_like(losses).scatter(-1, order, by_rank.to(losses.dtype).expand_as(losses))
        self.weights_, _ = group_means(weights, membership)  # for the record
        return weights
