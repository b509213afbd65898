"""Cross-entropy with smoothed labels."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from debias_pt.losses import LOSSES
from debias_pt.losses.base import Loss
from debias_pt.losses.terms import log_probabilities, require_range
from debias_pt.utils.registry import register
from debias_pt.utils.tensors import of_true_class


@register(LOSSES, "label-smoothing")
@dataclass(frozen=True)
class LabelSmoothing(Loss):
    """Cross-entropy to ``(1 - eps) 1[k = y] + eps / K`` (Szegedy et al., 2016, arXiv 1512.00567, section 7).

    Parameters
    ----------
    eps : float
        Share of the label that is spread over all K classes, 0 to 1. 0 is cross-entropy.

    Raises
    ------
    UsageError
        If eps is outside 0 to 1.

    Examples
    --------
    >>> import torch
    >>> LabelSmoothing(eps=0.5)(torch.zeros(1, 1, 2), torch.zeros(1, 1, dtype=torch.long))
    tensor([[0.6931]])
    """

    convex = True

    eps: float = 0.1

    def __post_init__(self) -> None:
        require_range("label-smoothing", "eps", self.eps, 0, 1)

    def __call__(self, logits: Tensor, y: Tensor) -> Tensor:
        """Return the loss of every sample, shape ``(R, B)``."""
        log_p = log_probabilities(logits)
        return -(1 - self.eps) * of_true_class(log_p, y) - self.eps * log_p.mean(dim=-1)
