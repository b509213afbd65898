"""Mean absolute error."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from debias_pt.losses import LOSSES
from debias_pt.losses.base import Loss
from debias_pt.losses.terms import log_probabilities, one_minus_p
from debias_pt.utils.registry import register


@register(LOSSES, "mae")
@dataclass(frozen=True)
class MeanAbsoluteError(Loss):
    """``sum_k |p_k - 1[k = y]| = 2 (1 - p_y)`` (Ghosh et al., 2017, arXiv 1712.09482).

    Twice generalised cross-entropy at q = 1. It is symmetric: its sum over all labels is the constant
    ``2 (K - 1)``, which makes it robust to symmetric noise, and slow to learn. NLPrompt gives it to noisy samples.

    Examples
    --------
    >>> import torch
    >>> MeanAbsoluteError()(torch.zeros(1, 1, 2), torch.zeros(1, 1, dtype=torch.long))
    tensor([[1.]])
    """

    def __call__(self, logits: Tensor, y: Tensor) -> Tensor:
        """Return the loss of every sample, shape ``(R, B)``."""
        return 2 * one_minus_p(log_probabilities(logits), y)
