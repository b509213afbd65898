"""What several losses are made of."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from debias_pt.errors import UsageError
from debias_pt.utils.tensors import of_true_class

PTNL_LOG_ZERO = {"ptnl": math.log(1e-4)}  # where PTNL's released code cuts labels off


def log_probabilities(logits: Tensor) -> Tensor:
    """Return ``log softmax`` over the last axis, in fp32 at least, so that low-precision logits do not change the loss.

    Examples
    --------
    >>> log_probabilities(torch.zeros(1, 2, dtype=torch.bfloat16)).dtype
    torch.float32
    """
    return (logits if logits.dtype == torch.float64 else logits.float()).log_softmax(dim=-1)


def one_minus_p(log_p: Tensor, y: Tensor) -> Tensor:
    """Return ``1 - p_y`` of every sample; exact where p_y is near 1, its gradient finite where p_y is near 0."""
    return -torch.expm1(of_true_class(log_p, y))


def reverse_cross_entropy(log_p: Tensor, y: Tensor, A: float) -> Tensor:
    """Return ``-sum_k p_k log 1[k = y]`` with ``log 0 = A``, which is ``-A (1 - p_y)``.

    Source: Wang et al., 2019 (arXiv 1908.06112), equations 5 and 6.
    """
    return -A * one_minus_p(log_p, y)


def require_range(loss: str, name: str, value: float, least: float, most: float = math.inf) -> None:
    """Refuse an option that is not a number from `least` to `most`.

    Raises
    ------
    UsageError
        Names the loss, the option, the value and the range.

    Examples
    --------
    >>> require_range("label-smoothing", "eps", 2.0, 0, 1)
    Traceback (most recent call last):
    debias_pt.errors.UsageError: eps is 2.0; label-smoothing takes 0 to 1
    """
    if not (least <= value <= most and math.isfinite(value)):
        upper = "up" if most == math.inf else f"to {most:g}"
        raise UsageError(f"{name} is {value}; {loss} takes {least:g} {upper}")


def require_with_reverse(loss: str, alpha: float, beta: float, A: float) -> None:
    """Refuse options of a loss that adds `beta` times reverse cross-entropy to `alpha` times another; as above."""
    require_range(loss, "alpha", alpha, 0)
    require_range(loss, "beta", beta, 0)
    require_range(loss, "A", A, -1e9, 0)
