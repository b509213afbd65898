"""What a fit looks at: one split on the device, shared by all runs or with rows of each run's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from debias_pt.features import FeatureTable
from debias_pt.groups import Groups

Rows = slice | Tensor
"""Rows of a split: a slice, the same for all runs, or a tensor of int ``(R, B)``, each run's own."""


@dataclass(frozen=True)
class FitData:
    """One split: each field is shared by all runs, or has the run as its first axis.

    Parameters
    ----------
    features : Tensor, shape (N, D) or (R, N, D)
        Unit image features.
    y : Tensor of int, shape (N,) or (R, N)
        Class labels.
    membership : Tensor, shape (N, G) or (R, N, G)
        How much each sample belongs to each group.

    Examples
    --------
    >>> shared = FitData(torch.zeros(3, 8), torch.zeros(3, dtype=torch.long), torch.ones(3, 1))
    >>> shared.at(torch.tensor([[0, 1], [2, 2]])).features.shape  # two runs
    torch.Size([2, 2, 8])
    >>> FitData.stack([shared, shared]).y.shape
    torch.Size([2, 3])
    """

    features: Tensor
    y: Tensor
    membership: Tensor

    @classmethod
    def of(cls, table: FeatureTable, groups: Groups, device: torch.device, *, soft: bool = False) -> FitData:
        """Move a table's rows and their groups to the device."""
        membership = torch.from_numpy(groups.membership(soft=soft)).float()
        return cls(
            torch.from_numpy(table.features).to(device), torch.from_numpy(table.y).to(device), membership.to(device)
        )

    @classmethod
    def stack(cls, runs: Sequence[FitData]) -> FitData:
        """Return data of each run's own from R shared ones of equal size."""
        return cls(*(torch.stack([getattr(run, field.name) for run in runs]) for field in fields(cls)))

    def __len__(self) -> int:
        return self.y.shape[-1]

    def at(self, rows: Rows) -> FitData:
        """Return some of the rows."""
        return FitData(
            take_rows(self.features, rows, -2), take_rows(self.y, rows, -1), take_rows(self.membership, rows, -2)
        )

    def require_runs(self, runs: int) -> None:
        """Refuse fields of another number of runs.

        Raises
        ------
        ValueError
            Names the field and its shape.
        """
        for name, shared in (("features", 2), ("y", 1), ("membership", 2)):
            values = getattr(self, name)
            if values.dim() != shared and len(values) != runs:
                raise ValueError(f"{name} has shape {tuple(values.shape)}; {runs} runs expected as its first axis")


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
