"""The interface of a group reweighting scheduler: from predictions on groups to a weight for every sample."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from debias_pt.reweighting import REWEIGHTERS
from debias_pt.utils.membership import Membership
from debias_pt.utils.registry import build
from debias_pt.utils.stateful import Stateful


class Reweighter(Stateful, ABC):
    """Base of all schedulers: the public methods check, a subclass only computes.

    A :class:`~debias_pt.utils.membership.Membership` says how much each sample belongs to each group: one integer
    per sample for hard attributes, the probe's posterior for soft ones. Every formula is written for both; the public
    methods also take a matrix ``(B, G)``.

    Attributes
    ----------
    fixed : bool
        Whether the weights stay as they are set first, whatever the head predicts.
    counts_ : Tensor, shape (G,) or (R, G)
        Training samples of each group (expected numbers, if soft), of all runs or of each.
    weights_ : Tensor, shape (R, G)
        Current weight of a sample of each group, for R runs.
    """

    fixed: ClassVar[bool] = False
    counts_: Tensor
    weights_: Tensor

    def start(self, membership: Membership | Tensor, class_of_group: Tensor, runs: int) -> None:
        """Take the training set's groups and set the first weights.

        Parameters
        ----------
        membership : Membership, or Tensor of shape (N, G) or (R, N, G)
            Of the whole training set, shared or separate for each run.
        class_of_group : Tensor of int, shape (G,)
            The class each group belongs to.
        runs : int
            R.
        """
        self.counts_ = Membership.of_matrix(membership).sizes()
        self.weights_ = self._first_weights(class_of_group).expand(runs, -1).clone()

    def __call__(self, p: Tensor, losses: Tensor, membership: Membership | Tensor) -> Tensor:
        """Update the group weights and return one weight per sample.

        Parameters
        ----------
        p : Tensor, shape (R, B)
            Probability of the true class, from the same forward pass as the loss.
        losses : Tensor, shape (R, B)
            Per-sample losses.
        membership : Membership, or Tensor of shape (B, G) or (R, B, G)
            Of these samples.

        Returns
        -------
        Tensor, shape (R, B)
            Without gradient.
        """
        of_batch, groups = Membership.of_matrix(membership), self.counts_.shape[-1]
        if (len(of_batch), of_batch.n_groups) != (p.shape[-1], groups):
            shape = (len(of_batch), of_batch.n_groups)
            raise ValueError(f"membership {shape} for p {tuple(p.shape)}, {groups} groups")
        with torch.no_grad():
            self._update(p, losses, of_batch)
            return self._of_samples(losses, of_batch)

    def _of_samples(self, losses: Tensor, membership: Membership) -> Tensor:
        """Return each sample's weight, shape ``(R, B)``: that of its group."""
        return membership.of_samples(self.weights_)

    def _first_weights(self, class_of_group: Tensor) -> Tensor:
        """Return the weights before the first step, shape ``(G,)`` or ``(R, G)``: group-balanced."""
        return mean_one(self._per_size(), self.counts_)

    def _per_size(self) -> Tensor:
        """Return ``1 / N_g``, and 0 for empty groups.

        A soft group of less than one expected sample counts as one, so that a trace of posterior
        cannot outweigh everything.
        """
        return torch.where(self.counts_ > 0, 1 / self.counts_.clamp_min(1.0), 0.0)

    @abstractmethod
    def _update(self, p: Tensor, losses: Tensor, membership: Membership) -> None:
        """Compute new ``weights_`` from a batch."""


def mean_one(weights: Tensor, counts: Tensor) -> Tensor:
    """Scale group weights ``(..., G)`` so that the training samples' weights have mean 1.

    The learning rate then keeps its meaning, whatever the scheduler.

    Examples
    --------
    >>> mean_one(torch.tensor([1.0, 3.0]), torch.tensor([30.0, 10.0]))
    tensor([0.6667, 2.0000])
    """
    return weights * counts.sum(dim=-1, keepdim=True) / (weights * counts).sum(dim=-1, keepdim=True)


def make_reweighter(name: str, words: Sequence[str] = (), /, **options: Any) -> Reweighter:
    """Build a scheduler by name; options that are None are left out, `words` are ``NAME=VALUE`` each.

    Raises
    ------
    UsageError
        For an unknown scheduler, or an option that it does not take.

    Examples
    --------
    >>> make_reweighter("dpt", eta=3.0)
    DPT(eta=3.0, ema=0.9, refresh='step', normalize='mean')
    >>> make_reweighter("dpt", ["refresh=epoch"])
    DPT(eta=2.0, ema=0.9, refresh='epoch', normalize='mean')
    >>> make_reweighter("erm", eta=3.0)
    Traceback (most recent call last):
    debias_pt.errors.UsageError: the scheduler 'erm' does not take eta; leave it out
    """
    return build(REWEIGHTERS, name, "scheduler", words, **options)
