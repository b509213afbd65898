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
PROMPT_OPTIONS = (
    "template",
    "context_length",
    "context_init",
    "class_specific",
    "class_position",
    "prompts_per_class",
)


class Blocks(Protocol):
    """Features that do not fit into memory."""

    def blocks(self) -> Iterator[Tensor]:
        """Yield all rows in order, some at a time, ``(n, D)``."""


class Head(nn.Module, ABC):
    """Gives class weights ``(R, K, D)``; every parameter has the run as its first axis.

    A head may give V weights per class instead, ``(R, K V, D)``, those of a class beside each other; its kind is then
    not `linear`, and its :meth:`logits` go through :func:`class_logits`.

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

    def weight_penalty(self, weights: Tensor) -> Tensor:
        """Return the same, of what :meth:`forward` gave: a second text pass would cost as much as the first."""
        return torch.zeros(())

    def logits(self, weights: Tensor, features: Tensor) -> Tensor:
        """Return logits ``(R, B, K)`` for class weights and features ``(B, D)`` or ``(R, B, D)``."""
        if features.dim() == 3:
            return self.scale * (features @ weights.transpose(-1, -2))
        # One plain product for all runs: a batched one is several times slower where K is small.
        product = weights.flatten(0, 1) @ features.T
        return self.scale * product.view(*weights.shape[:2], -1).transpose(-1, -2)


def class_logits(logits: Tensor, classes: int) -> Tensor:
    """Return logits ``(..., K)`` of ``(..., K V)``: of V logits of a class, the log of their summed exponentials.

    Examples
    --------
    >>> class_logits(torch.tensor([1.0, 1.0, 0.0, -9.0]), 2).round(decimals=2)
    tensor([1.6900, 0.0000])
    """
    if logits.shape[-1] == classes:
        return logits
    return logits.view(*logits.shape[:-1], classes, logits.shape[-1] // classes).logsumexp(dim=-1)


def mean_and_deviation(features: Tensor | Blocks) -> tuple[Tensor, Tensor]:
    """Return each feature's mean and standard deviation, ``(..., D)``; in one pass where rows stay in a file."""
    if isinstance(features, Tensor):
        return features.mean(dim=-2), features.std(dim=-2, correction=0)
    sums = [(len(b), b.double().sum(dim=0), b.double().square().sum(dim=0)) for b in features.blocks()]
    n, total, squares = (sum(part) for part in zip(*sums, strict=True))
    mean = total / n
    return mean, (squares / n - mean.square()).clamp_min(0).sqrt()


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
    linear : bool
        Whether a class has one weight vector, as plain linear classifiers do.
    """

    build: Build
    takes: tuple[str, ...] = ()
    random_start: Callable[[FitSettings], bool] = lambda settings: False
    convex: bool = False
    linear: bool = True

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
    linear: bool = True,
    convex: bool = False,
) -> Callable[[Build], HeadKind]:
    """Return a decorator that registers what builds a head; see :class:`HeadKind`."""
    return lambda build: register(HEADS, name)(HeadKind(build, takes, random_start, convex, linear))


def random_context(settings: FitSettings) -> bool:
    """Return whether a learned context starts at random."""
    return settings.context_init == "random"
