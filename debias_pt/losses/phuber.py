"""Partially Huberised cross-entropy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from debias_pt.errors import UsageError
from debias_pt.losses import LOSSES
from debias_pt.losses.base import Loss
from debias_pt.losses.terms import log_probabilities
from debias_pt.utils.registry import register
from debias_pt.utils.tensors import of_true_class


@register(LOSSES, "phuber")
@dataclass(frozen=True)
class PartiallyHuberisedCrossEntropy(Loss):
    """``-log p_y``, continued as a straight line in p_y below ``1 / tau`` (Menon et al., 2020, ICLR, equation 7).

    The line is the tangent there, ``-tau p_y + log tau + 1``: what clipping the gradient to tau with respect to
    p_y amounts to.

    Parameters
    ----------
    tau : float
        Above 1. Towards infinity it becomes cross-entropy.

    Raises
    ------
    UsageError
        If tau is 1 or less, or infinite.

    Examples
    --------
    >>> PartiallyHuberisedCrossEntropy(tau=4.0)(torch.zeros(1, 1, 2), torch.zeros(1, 1, dtype=torch.long))
    tensor([[0.6931]])
    """

    tau: float = 10.0

    def __post_init__(self) -> None:
        if not (self.tau > 1 and math.isfinite(self.tau)):
            raise UsageError(f"tau is {self.tau}; phuber takes a number above 1")

    def __call__(self, logits: Tensor, y: Tensor) -> Tensor:
        """Return the loss of every sample, shape ``(R, B)``; both branches have finite gradients everywhere."""
        log_p = of_true_class(log_probabilities(logits), y)
        line = -self.tau * log_p.exp() + math.log(self.tau) + 1
        return torch.where(log_p > -math.log(self.tau), -log_p, line)
