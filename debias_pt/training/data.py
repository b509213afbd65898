"""The data of a fit: one split on the device, and its minibatches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from debias_pt.features.table import FeatureTable
from debias_pt.groups.groups import Groups
from debias_pt.utils.tensors import Rows, take_rows


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
        """Stack R data sets of equal size, one per run."""
        return cls(*(torch.stack([getattr(run, field.name) for run in runs]) for field in fields(cls)))

    def __len__(self) -> int:
        return self.y.shape[-1]

    def at(self, rows: Rows) -> FitData:
        """Return some of the rows."""
        return FitData(
            take_rows(self.features, rows, -2), take_rows(self.y, rows, -1), take_rows(self.membership, rows, -2)
        )

    def require_runs(self, runs: int) -> None:
        """Raise if a field has another number of runs.

        Raises
        ------
        ValueError
            Names the field and its shape.
        """
        for name, shared in (("features", 2), ("y", 1), ("membership", 2)):
            values = getattr(self, name)
            if values.dim() != shared and len(values) != runs:
                raise ValueError(f"{name} has shape {tuple(values.shape)}; {runs} runs expected as its first axis")


class Minibatches:
    """The rows of every step: all of them, or one minibatch per run.

    Every epoch is a permutation drawn from the run's seed and the epoch's number, so that no
    state has to be kept; the last batch of an epoch may be smaller.

    Parameters
    ----------
    n : int
        Number N of samples.
    batch_size : int or None
        Samples per step; None, or N and more, for all of them.
    seeds : sequence of int
        One per run; R of them.
    device : torch.device or str
        Where the rows are needed.

    Examples
    --------
    >>> batches = Minibatches(3, 2, seeds=[0])
    >>> batches.rows(0).shape, batches.rows(1).shape, batches.starts_epoch(2)
    (torch.Size([1, 2]), torch.Size([1, 1]), True)
    >>> Minibatches(3, None, seeds=[0]).rows(5)
    slice(None, None, None)
    """

    def __init__(
        self, n: int, batch_size: int | None, seeds: Sequence[int], device: torch.device | str = "cpu"
    ) -> None:
        self.n, self.seeds, self.device = n, seeds, device
        self.size = n if batch_size is None else min(batch_size, n)
        self.per_epoch = math.ceil(n / self.size) if n else 1
        self._epoch, self._orders = -1, torch.empty(0)

    @property
    def whole(self) -> bool:
        """Whether every step sees all rows."""
        return self.size == self.n

    def starts_epoch(self, step: int) -> bool:
        """Tell whether a step is the first of an epoch."""
        return step % self.per_epoch == 0

    def rows(self, step: int) -> Rows:
        """Return the rows of a step: a slice of all, or a tensor of int, shape ``(R, B)``."""
        if self.whole:
            return slice(None)
        epoch, place = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            orders = torch.stack([_permutation(self.n, seed, epoch) for seed in self.seeds])
            self._epoch, self._orders = epoch, orders.to(self.device)
        return self._orders[:, place * self.size : (place + 1) * self.size]


def _permutation(n: int, seed: int, epoch: int) -> Tensor:
    # Shifted, so that an epoch's order shares no stream with the draw of the first context.
    return torch.randperm(n, generator=torch.Generator().manual_seed((seed + 1) * 1_000_003 + epoch))
