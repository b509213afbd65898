"""Features that stay in their file: rows are read when they are needed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from debias_pt.utils.row_blocks import row_blocks


def is_mapped(array: object) -> bool:
    """Return whether an array is memory-mapped, or a view of one that is: too large to copy without need."""
    return isinstance(array, np.memmap) or (isinstance(array, np.ndarray) and is_mapped(array.base))


def as_slice(rows: NDArray[np.int64]) -> NDArray[np.int64] | slice:
    """Return adjacent rows as a slice, so that what is taken of a mapped array stays a view; else the rows."""
    adjacent = len(rows) > 0 and bool((np.diff(rows) == 1).all())
    return slice(int(rows[0]), int(rows[-1]) + 1) if adjacent else rows


class MappedRows:
    """Some rows of a mapped array of features, read as float32 tensors of unit rows.

    Parameters
    ----------
    array : ndarray of float16 or float32, shape (M, D)
        Memory-mapped.
    rows : ndarray of int, shape (N,)
        Which rows, in this order.
    device : torch.device or str
        Where they are needed.

    Examples
    --------
    >>> rows = MappedRows(np.eye(4, dtype=np.float16), np.array([1, 3]))
    >>> rows.take(torch.tensor([[1]])), len(rows)
    (tensor([[[0., 0., 0., 1.]]]), 2)
    """

    def __init__(
        self, array: NDArray[np.floating], rows: NDArray[np.int64], device: torch.device | str = "cpu"
    ) -> None:
        self.array, self.rows, self.device = array, rows, device

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, int]:
        """``(N, D)``."""
        return len(self.rows), int(self.array.shape[1])

    def take(self, rows: Tensor | slice) -> Tensor:
        """Return rows ``(..., D)``, given their numbers among these N."""
        places = self.rows[rows if isinstance(rows, slice) else rows.cpu().numpy()]
        # Sorted, so that the file is read forwards.
        distinct, back = np.unique(places, return_inverse=True)
        found = torch.from_numpy(self.array[distinct].astype(np.float32))
        found = torch.nn.functional.normalize(found, dim=-1)  # half precision is off by 1e-3
        return found[torch.from_numpy(back.reshape(places.shape))].to(self.device)

    def blocks(self) -> Iterator[Tensor]:
        """Yield all rows in order, some at a time, ``(n, D)``."""
        for rows in row_blocks(len(self)):
            yield self.take(rows)
