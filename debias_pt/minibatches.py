"""Which rows a step sees."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from debias_pt.fit_data import Rows


class Minibatches:
    """The rows of every step: all of them, or one minibatch per run.

    Every epoch is a permutation drawn from the run's seed and the epoch's number, so that nothing
    needs to be remembered; the last batch of an epoch may be smaller.

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
