"""Generalised cross-entropy, the noise-robust loss of PTNL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from debias_pt.errors import UsageError
from debias_pt.losses import LOSSES
from debias_pt.losses.base import Loss
from debias_pt.losses.terms import log_probabilities
from debias_pt.utils.registry import register
from debias_pt.utils.tensors import of_true_class


@register(LOSSES, "gce")
@dataclass(frozen=True)
class GeneralizedCrossEntropy(Loss):
    """``(1 - p_y^q) / q`` (Zhang & Sabuncu, 2018; PTNL, arXiv 2307.11978).

    Parameters
    ----------
    q : float
        In (0, 1]. Towards 0 it becomes cross-entropy; 1 is half the mean absolute error.
        PTNL's text says 0.7, its released code trains with 0.5 (``--loss-option q=ptnl``) and adds 1e-6 to p, which
        moves a loss by less than 1e-6 p^(q - 1); here nothing is added, since no power of 0 is ever taken.

    Raises
    ------
    UsageError
        If q is outside (0, 1].

    Examples
    --------
    >>> GeneralizedCrossEntropy(q=1.0)(torch.zeros(1, 1, 2), torch.zeros(1, 1, dtype=torch.long))
    tensor([[0.5000]])
    """

    q: float = 0.7
    named_values: ClassVar[Mapping[str, Mapping[str, float]]] = {"q": {"ptnl": 0.5}}

    def __post_init__(self) -> None:
        if not 0 < self.q <= 1:
            raise UsageError(f"q is {self.q}; generalised cross-entropy takes 0 < q <= 1")

    def __call__(self, logits: Tensor, y: Tensor) -> Tensor:
        """Return the loss of every sample, shape ``(R, B)``.

        Computed from log-probabilities, so that the gradient stays finite where p_y underflows.
        """
        log_p = of_true_class(log_probabilities(logits), y)
        return -torch.expm1(self.q * log_p) / self.q
