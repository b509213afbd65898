"""Class balance, and group balance within each class."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from debias_pt.reweighting import REWEIGHTERS
from debias_pt.reweighting.base import Reweighter, mean_one
from debias_pt.utils.membership import Membership
from debias_pt.utils.registry import register

LEAST = 5.0  # expected samples from which on a group gets its whole share


@register(REWEIGHTERS, "balanced-within-class")
@dataclass(eq=False)
class BalancedWithinClass(Reweighter):
    """Every class gets the same total weight, and so does every group of a class that has five samples or more.

    ``w_g`` is proportional to ``s_g / N_g``, the share ``s_g`` being ``min(1, N_g / 5)``, scaled so that the
    groups of a class sum to one. A class without an image of some value thus keeps its weight, and two or
    three images that may be misnamed do not outweigh the rest of their class, as they would under ``1 / N_g``.

    Examples
    --------
    >>> import torch
    >>> scheduler = BalancedWithinClass()
    >>> membership = torch.eye(4)[[0] * 30 + [1] * 10 + [2] * 40]  # the second class has no second value
    >>> scheduler.start(membership, torch.tensor([0, 0, 1, 1]), runs=1)
    >>> scheduler.weights_ * scheduler.counts_
    tensor([[20., 20., 40.,  0.]])
    """

    fixed = True

    def _first_weights(self, class_of_group: Tensor) -> Tensor:
        share = (self.counts_ / LEAST).clamp_max(1.0)
        per_class = self.counts_.new_zeros(*self.counts_.shape[:-1], int(class_of_group.max()) + 1)
        of_class = per_class.index_add(-1, class_of_group, share)[..., class_of_group]
        weights = share / of_class.clamp_min(1e-12) / self.counts_.clamp_min(1e-12)
        return mean_one(weights, self.counts_)

    def _update(self, p: Tensor, losses: Tensor, membership: Membership) -> None:
        """Nothing to update."""
