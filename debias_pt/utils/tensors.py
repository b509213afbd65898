"""Small functions of tensors that losses, schedulers and the loop share."""

from __future__ import annotations

import torch
from torch import Tensor


def of_true_class(values: Tensor, y: Tensor) -> Tensor:
    """Return each sample's value for its true class, ``(R, B, K)`` and ``(B,)`` or ``(R, B)`` to ``(R, B)``."""
    return values.gather(-1, y.expand(values.shape[:-1])[..., None]).squeeze(-1)


Rows = slice | Tensor
"""Rows of a split: a slice, the same for all runs, or an int tensor ``(R, B)``, separate for each run."""


def take_rows(values: Tensor, rows: Rows, axis: int) -> Tensor:
    """Return rows of shared or per-run values whose sample axis is `axis`, counted from the end.

    Examples
    --------
    >>> rows = torch.tensor([[0, 1], [1, 2]])
    >>> take_rows(torch.tensor([5, 6, 7]), rows, -1)
    tensor([[5, 6],
            [6, 7]])
    >>> take_rows(torch.tensor([[5, 6, 7], [1, 2, 3]]), rows, -1)
    tensor([[5, 6],
            [2, 3]])
    """
    shared = values.dim() == -axis
    if isinstance(rows, slice):
        return values[rows] if shared else values[:, rows]
    if shared:
        return values[rows]
    return values[torch.arange(len(rows), device=rows.device)[:, None], rows]
