"""What a head is: parameters that give class weights. One training loop serves them all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from debias_pt.models.backbone import Backbone
from debias_pt.models.heads import HEADS
from debias_pt.settings import FitSettings
from debias_pt.utils.registry import register

# The settings that describe a prompt.
PROMPT_OPTIONS = ("template", "context_length", "context_init", "class_specific", "class_position")


class Blocks(Protocol):
    """Features that do not fit into memory."""

    def blocks(self) -> Iterator[Tensor]:
        """Yield all rows in order, some at a time, ``(n, D)``."""


class Head(nn.Module, ABC):
    """Gives class weights ``(R, K, D)``; every parameter has the run as its first axis.

    Attributes
    ----------
    scale : float
        Factor from the product of features and class weights to logits.
    passes_text : bool
        Whether every step goes through the text tower, which several devices can share.
    """

    scale: float = 1.0
    passes_text: bool = False

    @abstractmethod
    def forward(self) -> Tensor:
        """Return the class weights of R runs, shape ``(R, K, D)``."""

    def class_weights(self, weights: Tensor) -> Tensor:
        """Return the class weights ``(R, K, D)`` to predict with, from what :meth:`forward` gave."""
        return weights

    def fit_statistics(self, features: Tensor | Blocks, runs: slice) -> None:
        """Compute statistics of some runs' training features, ``(N, D)`` or ``(r, N, D)``, before the first step."""

    def penalty(self) -> Tensor:
        """Return what is added to the sum of the runs' objectives; a sum over runs, so that they stay apart."""
        return torch.zeros(())

    def logits(self, weights: Tensor, features: Tensor) -> Tensor:
        """Return logits ``(R, B, K)`` for class weights and features ``(B, D)`` or ``(R, B, D)``."""
        if features.dim() == 3:
            return self.scale * (features @ weights.transpose(-1, -2))
        # One plain product for all runs: a batched one is several times slower where K is small.
        product = weights.flatten(0, 1) @ features.T
        return self.scale * product.view(*weights.shape[:2], -1).transpose(-1, -2)


Build = Callable[[Backbone, Sequence[str], Sequence[int], FitSettings], Head]


@dataclass(frozen=True)
class HeadKind:
    """A head that ``--head`` names: called with backbone, class names, seeds and settings, it builds one.

    Parameters
    ----------
    build : callable
        What builds it.
    takes : tuple of str
        Which of :data:`PROMPT_OPTIONS` it takes.
    random_start : callable
        Whether a seed changes what it starts from, for given settings.
    convex : bool
        Whether the objective has a single optimum, given a convex loss and fixed weights: logits are linear in the
        parameters, and a penalty on them is strictly convex. Parameters and buffers have the run as their first axis.
    """

    build: Build
    takes: tuple[str, ...] = ()
    random_start: Callable[[FitSettings], bool] = lambda settings: False
    convex: bool = False

    def __call__(
        self, backbone: Backbone, class_names: Sequence[str], seeds: Sequence[int], settings: FitSettings
    ) -> Head:
        """Build an untrained head of R runs, one per seed."""
        return self.build(backbone, class_names, seeds, settings)


def provides_head(
    name: str,
    *,
    takes: tuple[str, ...] = (),
    random_start: Callable[[FitSettings], bool] = lambda settings: False,
    convex: bool = False,
) -> Callable[[Build], HeadKind]:
    """Return a decorator that registers what builds a head; see :class:`HeadKind`."""
    return lambda build: register(HEADS, name)(HeadKind(build, takes, random_start, convex))


def random_context(settings: FitSettings) -> bool:
    """Return whether a learned context starts at random."""
    return settings.context_init == "random"
