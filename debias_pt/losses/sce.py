"""Symmetric cross-entropy."""

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


@register(LOSSES, "sce")
@dataclass(frozen=True)
class SymmetricCrossEntropy(Loss):
    """``alpha CE + beta RCE`` (Wang et al., 2019, arXiv 1908.06112, equation 7).

    RCE, the reverse cross-entropy, is ``-A (1 - p_y)``: cross-entropy with prediction and label swapped, where
    the logarithm of the label's zeros is cut off at A.

    Parameters
    ----------
    alpha, beta : float
        Shares of the two, 0 or more. The paper has 0.1 and 1 for CIFAR-10, 6 and 0.1 for CIFAR-100.
    A : float
        Stands for log 0; 0 or less. The paper has -4. PTNL's released code cuts the labels off at 1e-4, which is
        A = -9.21 (``--loss-option A=ptnl``) and weighs the reverse term 2.3 times as much.

    Raises
    ------
    UsageError
        If one is out of range.

    Examples
    --------
    >>> import torch
    >>> SymmetricCrossEntropy(alpha=0.0, A=-4.0)(torch.zeros(1, 1, 2), torch.zeros(1, 1, dtype=torch.long))
    tensor([[2.]])
    """

    alpha: float = 0.1
    beta: float = 1.0
    A: float = -4.0
    named_values: ClassVar[Mapping[str, Mapping[str, float]]] = {"A": PTNL_LOG_ZERO}

    def __post_init__(self) -> None:
        require_with_reverse("sce", self.alpha, self.beta, self.A)

    def __call__(self, logits: Tensor, y: Tensor) -> Tensor:
        """Return the loss of every sample, shape ``(R, B)``."""
        log_p = log_probabilities(logits)
        return -self.alpha * of_true_class(log_p, y) + self.beta * reverse_cross_entropy(log_p, y, self.A)
