"""Cross-entropy."""

from __future__ import annotations

from torch import Tensor

from debias_pt.losses import LOSSES
from debias_pt.losses.base import Loss
from debias_pt.losses.terms import log_probabilities
from debias_pt.utils.registry import register
from debias_pt.utils.tensors import of_true_class


@register(LOSSES, "cross-entropy")
class CrossEntropy(Loss):
    """``-log p_y``.

    Examples
    --------
    >>> import torch
    >>> CrossEntropy()(torch.zeros(1, 1, 2), torch.zeros(1, 1, dtype=torch.long))
    tensor([[0.6931]])
    """

    convex = True

    def __call__(self, logits: Tensor, y: Tensor) -> Tensor:
        """Return ``-log p_y`` of every sample, shape ``(R, B)``."""
        return -of_true_class(log_probabilities(logits), y)
