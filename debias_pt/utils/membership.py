"""Which group each sample of a batch belongs to, as tensors: one integer per sample, not a matrix of all groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from debias_pt.utils.tensors import Rows, take_rows


@dataclass(frozen=True)
class Membership:
    """How much each of B samples belongs to each of G groups.

    A sample belongs to `first` alone, or is spread over the S groups from `first` on. Since the groups of a class
    are neighbours, S is the number of attribute values for soft groups, and the memory B x S instead of B x G.
    Both fields are shared by all runs, or have the run as their first axis.

    Parameters
    ----------
    first : Tensor of int, shape (B,) or (R, B)
        A sample's group, or the first of its groups.
    n_groups : int
        G.
    shares : Tensor, shape (B, S) or (R, B, S), optional
        How much of the sample each of its groups has; rows sum to one. Without, all of it is the first group's.

    Examples
    --------
    >>> hard = Membership(torch.tensor([0, 2, 2]), 3)
    >>> hard.sums(torch.tensor([[1.0, 2.0, 3.0]])), hard.sizes()
    (tensor([[1., 0., 5.]]), tensor([1., 0., 2.]))
    >>> soft = Membership(torch.tensor([0, 2]), 4, torch.tensor([[0.25, 0.75], [1.0, 0.0]]))
    >>> soft.of_samples(torch.tensor([[4.0, 8.0, 1.0, 1.0]]))
    tensor([[7., 1.]])
    """

    first: Tensor
    n_groups: int
    shares: Tensor | None = None

    @classmethod
    def of_matrix(cls, matrix: Tensor | Membership) -> Membership:
        """Take a matrix ``(B, G)`` or ``(R, B, G)``; a membership is returned as it is."""
        if isinstance(matrix, Membership):
            return matrix
        return cls(torch.zeros(matrix.shape[:-1], dtype=torch.long, device=matrix.device), matrix.shape[-1], matrix)

    @classmethod
    def stack(cls, runs: Sequence[Membership]) -> Membership:
        """Stack the memberships of R runs, which are all hard or all soft."""
        shares = [run.shares for run in runs if run.shares is not None]
        first = torch.stack([run.first for run in runs])
        return cls(first, runs[0].n_groups, torch.stack(shares) if shares else None)

    def __len__(self) -> int:
        return self.first.shape[-1]

    def at(self, rows: Rows) -> Membership:
        """Return some of the samples."""
        shares = None if self.shares is None else take_rows(self.shares, rows, -2)
        return Membership(take_rows(self.first, rows, -1), self.n_groups, shares)

    def sums(self, values: Tensor) -> Tensor:
        """Return the sum of values ``(R, B)`` in each group, ``(R, G)``; added up in double precision."""
        parts = values.double()
        if self.shares is not None:
            parts = (parts.unsqueeze(-1) * self.shares).flatten(-2)
        total = parts.new_zeros(*parts.shape[:-1], self.n_groups)
        return total.scatter_add(-1, self._places().expand_as(parts), parts).to(values.dtype)

    def sizes(self) -> Tensor:
        """Return the (expected) number of samples of each group, ``(G,)`` or ``(R, G)``."""
        dtype = torch.float32 if self.shares is None else self.shares.dtype
        leading = self.first if self.shares is None else self.shares[..., 0]
        return self.sums(torch.ones(leading.shape, dtype=dtype, device=leading.device))

    def means(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean of values ``(R, B)`` in each group ``(R, G)``, and the groups' sizes.

        A group without samples has mean 0 and size 0.
        """
        sizes = self.sizes()
        return self.sums(values) / sizes.clamp_min(1e-12), sizes

    def of_samples(self, weights: Tensor) -> Tensor:
        """Return the (expected) value of each sample's groups, ``(R, B)``, given one per group, ``(R, G)``."""
        places = self._places().expand(*weights.shape[:-1], -1)
        values = weights.gather(-1, places)
        if self.shares is None:
            return values
        return (values.reshape(*values.shape[:-1], *self.shares.shape[-2:]) * self.shares).sum(dim=-1)

    def likeliest(self) -> Tensor:
        """Return the group that each sample mostly belongs to, ``(B,)`` or ``(R, B)``."""
        return self.first if self.shares is None else self.first + self.shares.argmax(dim=-1)

    def _places(self) -> Tensor:
        """Return the groups of all shares, ``(B * S,)`` or ``(R, B * S)``."""
        if self.shares is None:
            return self.first
        offsets = torch.arange(self.shares.shape[-1], device=self.first.device)
        return (self.first.unsqueeze(-1) + offsets).flatten(-2)


def group_means(values: Tensor, membership: Membership | Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean of values ``(R, B)`` in each group and the groups' sizes, see :meth:`Membership.means`."""
    return Membership.of_matrix(membership).means(values)
