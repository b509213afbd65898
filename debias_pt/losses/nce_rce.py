"""Normalised cross-entropy with reverse cross-entropy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from debias_pt.losses import LOSSES
from debias_pt.losses.base import Loss
from debias_pt.losses.terms import PTNL_LOG_ZERO, log_probabilities, require_with_reverse, reverse_cross_entropy
from debias_pt.utils.registry import register
from debias_pt.utils.tensors import of_true_class


@register(LOSSES, "nce-rce")
@dataclass(frozen=True)
class NormalizedAndReverseCrossEntropy(Loss):
    """``alpha NCE + beta RCE``, an active and a passive loss (Ma et al., 2020, arXiv 2006.13554, equation 11).

    NCE is the share of the given label in the cross-entropies of all labels, ``log p_y / sum_k log p_k``, between
    0 and 1; RCE is ``-A (1 - p_y)``. Both are robust to symmetric noise.

    Parameters
    ----------
    alpha, beta : float
        Shares of the two, 0 or more. The paper has 1 and 1 for CIFAR-10, 10 and 0.1 for CIFAR-100.
    A : float
        Stands for log 0 in RCE; 0 or less. -4 here; PTNL's released code cuts the labels off at 1e-4, which is
        A = -9.21 (``--loss-option A=ptnl``) and weighs the reverse term 2.3 times as much.

    Raises
    ------
    UsageError
        If one is out of range.

    Examples
    --------
    >>> import torch
    >>> NormalizedAndReverseCrossEntropy(beta=0.0)(torch.zeros(1, 1, 2), torch.zeros(1, 1, dtype=torch.long))
    tensor([[0.5000]])
    """

    alpha: float = 1.0
    beta: float = 1.0
    A: float = -4.0
    named_values: ClassVar[Mapping[str, Mapping[str, float]]] = {"A": PTNL_LOG_ZERO}

    def __post_init__(self) -> None:
        require_with_reverse("nce-rce", self.alpha, self.beta, self.A)

    def __call__(self, logits: Tensor, y: Tensor) -> Tensor:
        """Return the loss of every sample, shape ``(R, B)``."""
        log_p = log_probabilities(logits)
        # Never below K log K, which is above 1; only with a single class it would be 0.
        every = (-log_p).sum(dim=-1).clamp_min(1)
        return -self.alpha * of_true_class(log_p, y) / every + self.beta * reverse_cross_entropy(log_p, y, self.A)
