"""DPT's group reweighting scheduler."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from debias_pt.errors import UsageError
from debias_pt.reweighting import REWEIGHTERS
from debias_pt.reweighting.base import Reweighter, mean_one
from debias_pt.utils.membership import Membership, group_means
from debias_pt.utils.registry import register


@register(REWEIGHTERS, "dpt")
@dataclass(eq=False)
class DPT(Reweighter):
    """Weights from group size and mean confidence (DPT, arXiv 2503.08368).

    ``w_hat_g`` is proportional to ``(1 / N_g) * exp(eta * (1 - p_bar_g))``, with ``p_bar_g`` the mean
    predicted probability of the true class in group g; ``w_g`` is the exponential moving average of
    ``w_hat_g``, starting from group-balanced weights.

    Parameters
    ----------
    eta : float
        Sharpness, at least 0. At 0 it is exactly group-balanced; above about 5 nearly worst-group-only.
    ema : float
        Momentum of the moving average, in [0, 1); 0 forgets everything.
    refresh : {"step", "epoch"}
        When ``p_bar`` is updated: every step from the batch (exact with full-batch steps), or once
        all training samples have been seen. A group absent from the samples keeps its weight, and the
        others share the rest.
    normalize : {"mean", "sum"}
        What "proportional" means: per-sample weights with mean 1 over the training set, or group
        weights that sum to 1. The paper leaves this open.

    Attributes
    ----------
    sums_, sizes_ : Tensor, shape (R, G)
        Sum of ``p`` and number of samples of each group since the last refresh.

    Raises
    ------
    UsageError
        If an option is out of range.

    Examples
    --------
    >>> scheduler = DPT(eta=2.0, ema=0.0)
    >>> scheduler.start(torch.eye(2), torch.tensor([0, 1]), runs=1)
    >>> p = torch.tensor([[1.0, 0.5]])
    >>> scheduler(p, -p.log(), torch.eye(2))
    tensor([[0.5379, 1.4621]])
    """

    eta: float = 2.0
    ema: float = 0.9
    refresh: str = "step"
    normalize: str = "mean"

    def __post_init__(self) -> None:
        if not 0 <= self.eta < math.inf:
            raise UsageError(f"eta is {self.eta}; DPT takes 0 or more")
        if not 0 <= self.ema < 1:
            raise UsageError(f"ema is {self.ema}; DPT takes 0 <= ema < 1")
        if self.refresh not in ("step", "epoch"):
            raise UsageError(f"refresh is {self.refresh!r}; DPT takes step or epoch")
        if self.normalize not in ("mean", "sum"):
            raise UsageError(f"normalize is {self.normalize!r}; DPT takes mean or sum")

    def start(self, membership: Membership | Tensor, class_of_group: Tensor, runs: int) -> None:
        """Take the training set's groups and set the first weights."""
        super().start(membership, class_of_group, runs)
        self.sums_, self.sizes_ = torch.zeros_like(self.weights_), torch.zeros_like(self.weights_)

    def _first_weights(self, class_of_group: Tensor) -> Tensor:
        weights = self._per_size()
        if self.normalize == "sum":
            return weights / weights.sum(dim=-1, keepdim=True)
        return mean_one(weights, self.counts_)

    def _update(self, p: Tensor, losses: Tensor, membership: Membership) -> None:
        means, sizes = group_means(p, membership)
        self.sums_ = self.sums_ + means * sizes
        self.sizes_ = self.sizes_ + sizes
        if self.refresh == "step" or self._seen_all():
            self._renew(self.sums_ / self.sizes_.clamp_min(1e-12), self.sizes_ > 0)
            self.sums_, self.sizes_ = torch.zeros_like(self.sums_), torch.zeros_like(self.sizes_)

    def _seen_all(self) -> bool:
        # Rounding of soft memberships must not delay a refresh by a batch.
        return float(self.sizes_[0].sum()) > float(self.counts_.sum(dim=-1).max()) - 0.5

    def _renew(self, p_bar: Tensor, present: Tensor) -> None:
        """Average new weights in for the groups present, which keep their total between them."""
        unit = self.counts_ if self.normalize == "mean" else torch.ones_like(self.counts_)
        exponent = self.eta * (1 - p_bar) * present
        exponent = exponent - exponent.amax(dim=-1, keepdim=True)  # cancels below; a large eta would overflow
        w_hat = self._per_size() * torch.exp(exponent) * present
        total = (self.weights_ * unit * present).sum(dim=-1, keepdim=True)
        w_hat = w_hat * total / (w_hat * unit).sum(dim=-1, keepdim=True)
        self.weights_ = torch.where(present, self.ema * self.weights_ + (1 - self.ema) * w_hat, self.weights_)
