"""Entropic optimal transport between samples and classes: Sinkhorn's iterations in the log domain."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from debias_pt.errors import UsageError


def sinkhorn(
    cost: Tensor,
    epsilon: float,
    *,
    row: Tensor | None = None,
    column: Tensor | None = None,
    iterations: int = 1000,
    tolerance: float = 1e-6,
) -> Tensor:
    """Return the plan of least cost, smoothed by its entropy, with given row and column sums.

    The plan minimises ``sum(plan * cost) - epsilon * entropy(plan)`` (Cuturi, arXiv 1306.0895). Computed in the
    log domain and in fp64, so that a small epsilon neither underflows nor needs a rescaled cost.

    Parameters
    ----------
    cost : Tensor, shape (..., N, K)
        Any number of problems at once; each stops by itself and does not depend on the others.
    epsilon : float
        Weight of the entropy, in units of the cost. Smaller is sharper and slower.
    row : Tensor, shape (..., N), optional
        Positive row sums of total 1; uniform by default.
    column : Tensor, shape (..., K), optional
        Positive column sums of total 1; uniform by default.
    iterations : int
        At most this many.
    tolerance : float
        Stop once the column sums are off by no more than this share of themselves; the row sums are exact.

    Returns
    -------
    Tensor of float64, shape (..., N, K)
        Of total 1.

    Raises
    ------
    UsageError
        If epsilon is not positive, there is no iteration, or the cost is not finite.

    Examples
    --------
    >>> cost = torch.tensor([[0.0, 9.0], [0.0, 1.0]])
    >>> sinkhorn(cost, 0.1).round(decimals=3)
    tensor([[0.5000, 0.0000],
            [0.0000, 0.5000]], dtype=torch.float64)
    """
    if not epsilon > 0 or iterations < 1:
        raise UsageError(f"epsilon is {epsilon}, iterations {iterations}; above 0 and at least 1 expected")
    if not bool(cost.isfinite().all()):
        raise UsageError("the cost of transport is not finite; check the logits")
    score = -cost.double() / epsilon
    n, k = cost.shape[-2:]
    log_row = score.new_full((n,), -math.log(n)) if row is None else row.double().log()
    log_column = score.new_full((k,), -math.log(k)) if column is None else column.double().log()
    right = torch.zeros_like(score[..., 0, :])
    done = torch.zeros_like(right[..., :1], dtype=torch.bool)
    for _ in range(iterations):
        left = log_row - (score + right[..., None, :]).logsumexp(dim=-1)
        wanted = log_column - (score + left[..., None]).logsumexp(dim=-2)
        # exp(right - wanted) is what the column sums are, over what they should be.
        done = done | (torch.expm1(right - wanted).abs().amax(dim=-1, keepdim=True) <= tolerance)
        if bool(done.all()):
            break
        right = torch.where(done, right, wanted)
    left = log_row - (score + right[..., None, :]).logsumexp(dim=-1)
    return (score + left[..., None] + right[..., None, :]).exp()
