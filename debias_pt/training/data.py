"""The data of a fit: one split on the device, and its minibatches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from debias_pt.errors import UsageError
from debias_pt.features.mapped import MappedRows, as_slice, is_mapped
from debias_pt.features.table import FeatureTable
from debias_pt.groups.groups import Groups
from debias_pt.utils.membership import Membership
from debias_pt.utils.tensors import Rows, take_rows

BLOCK, POOL = 512, 256  # neighbouring rows that are read together, and blocks whose rows are shuffled together


@dataclass(frozen=True)
class FitData:
    """One split: each field is shared by all runs, or has the run as its first axis.

    Parameters
    ----------
    features : Tensor, shape (N, D) or (R, N, D), or MappedRows
        Unit image features, in memory or in their file.
    y : Tensor of int, shape (N,) or (R, N)
        Class labels.
    membership : Membership
        How much each sample belongs to each group.

    Examples
    --------
    >>> zeros = torch.zeros(3, dtype=torch.long)
    >>> shared = FitData(torch.zeros(3, 8), zeros, Membership(zeros, 1))
    >>> shared.at(torch.tensor([[0, 1], [2, 2]])).features.shape  # two runs
    torch.Size([2, 2, 8])
    >>> FitData.stack([shared, shared]).y.shape
    torch.Size([2, 3])
    """

    features: Tensor | MappedRows
    y: Tensor
    membership: Membership

    @classmethod
    def of(
        cls,
        table: FeatureTable,
        groups: Groups,
        device: torch.device,
        *,
        soft: bool = False,
        rows: NDArray[np.int64] | None = None,
        mapped: bool = False,
    ) -> FitData:
        """Move a table's rows, all or some, and these rows' groups to the device; `mapped` features stay in their file.

        Features of half precision become single.
        """
        features, y = table.features, table.y
        rows = np.arange(len(table)) if rows is None else rows
        if mapped:
            kept: Tensor | MappedRows = MappedRows(features, rows, device)
        else:
            whole = features if len(rows) == len(table) else features[as_slice(rows) if is_mapped(features) else rows]
            kept = torch.from_numpy(np.require(whole, np.float32, "W")).to(device)
        return cls(kept, torch.from_numpy(y[rows]).to(device), membership_of(groups, device, soft=soft))

    @classmethod
    def stack(cls, runs: Sequence[FitData]) -> FitData:
        """Stack R data sets of equal size, one per run."""
        features = [run.features for run in runs if isinstance(run.features, Tensor)]
        if len(features) < len(runs):
            raise UsageError("features that stay in their file cannot be stacked; fit these runs apart")
        membership = Membership.stack([run.membership for run in runs])
        return cls(torch.stack(features), torch.stack([run.y for run in runs]), membership)

    def __len__(self) -> int:
        return self.y.shape[-1]

    def at(self, rows: Rows) -> FitData:
        """Return some of the rows."""
        if isinstance(rows, slice) and rows == slice(None):  # as they are: mapped ones stay in their file
            return self
        features = self.features
        found = features.take(rows) if isinstance(features, MappedRows) else take_rows(features, rows, -2)
        return FitData(found, take_rows(self.y, rows, -1), self.membership.at(rows))

    def require_runs(self, runs: int) -> None:
        """Raise if a field has another number of runs.

        Raises
        ------
        ValueError
            Names the field and its shape.
        """
        for name, values, shared in (
            ("features", self.features, 2),
            ("y", self.y, 1),
            ("membership", self.membership.first, 1),
        ):
            if isinstance(values, Tensor) and values.dim() != shared and len(values) != runs:
                raise ValueError(f"{name} has shape {tuple(values.shape)}; {runs} runs expected as its first axis")


def membership_of(groups: Groups, device: torch.device | str = "cpu", *, soft: bool = False) -> Membership:
    """Take the groups of N samples to a device: one integer each, or with `soft` their posterior, if they have one."""
    if groups.hard or not soft:
        return Membership(torch.from_numpy(groups.index).to(device), groups.n_groups)
    first = torch.from_numpy(groups.y * len(groups.attribute_names)).to(device)
    return Membership(first, groups.n_groups, torch.from_numpy(groups.posterior).float().to(device))


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
    block : int, optional
        Shuffle blocks of so many neighbouring rows, then the rows of 256 blocks at a time: what a fit reads from
        a file then lies together. Default: shuffle all rows.

    Examples
    --------
    >>> batches = Minibatches(3, 2, seeds=[0])
    >>> batches.rows(0).shape, batches.rows(1).shape, batches.starts_epoch(2)
    (torch.Size([1, 2]), torch.Size([1, 1]), True)
    >>> Minibatches(3, None, seeds=[0]).rows(5)
    slice(None, None, None)
    """

    def __init__(
        self,
        n: int,
        batch_size: int | None,
        seeds: Sequence[int],
        device: torch.device | str = "cpu",
        *,
        block: int | None = None,
    ) -> None:
        self.n, self.seeds, self.device, self.block = n, seeds, device, block
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
            orders = torch.stack([_permutation(self.n, seed, epoch, self.block) for seed in self.seeds])
            self._epoch, self._orders = epoch, orders.to(self.device)
        return self._orders[:, place * self.size : (place + 1) * self.size]


def _permutation(n: int, seed: int, epoch: int, block: int | None = None) -> Tensor:
    # Shifted, so that an epoch's order shares no stream with the draw of the first context.
    generator = torch.Generator().manual_seed((seed + 1) * 1_000_003 + epoch)
    if block is None:
        return torch.randperm(n, generator=generator)
    starts = torch.randperm(math.ceil(n / block), generator=generator) * block
    order = (starts[:, None] + torch.arange(block)).flatten()
    order = order[order < n]
    pools = [order[first : first + block * POOL] for first in range(0, n, block * POOL)]
    return torch.cat([pool[torch.randperm(len(pool), generator=generator)] for pool in pools])
