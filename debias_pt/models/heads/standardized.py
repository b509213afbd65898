"""A linear head on standardised features, with a penalty: logistic regression in the common loop."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from debias_pt.models.backbone import Backbone
from debias_pt.models.heads.base import Blocks, Head, mean_and_deviation, provides_head
from debias_pt.settings import FitSettings

PENALTY = 1.0  # of the squared weights, halved; by cross-validation, see docs/methods/anchored-looks.md


class StandardizedHead(Head):
    """Class weights that are learned on standardised features.

    Each feature is centred and scaled to a standard deviation of 1 over the training rows, so that the squared
    penalty weighs all directions alike and few steps lead to the minimum, which is the same for every seed. Since class
    weights act on raw features, the centre is subtracted as a multiple of the image's projection on the mean
    feature, ``x - (x . m / m . m) m``, and the intercept is a weight on that projection: both linear in x.

    Parameters
    ----------
    dim : int
        Size D of the features.
    n_classes : int
        K.
    seeds : sequence of int
        One per run; R of them. They change nothing: weights start at 0, and there is one optimum.
    strength : float
        Of the penalty ``strength / 2 * |weights|^2``; the intercept is free.

    Attributes
    ----------
    weight : Parameter, shape (R, K, D + 1)
        On standardised features; the last column is the intercept.
    mean, deviation : Tensor, shape (R, D)
        Of the training features, once fitted.

    Examples
    --------
    >>> head = StandardizedHead(2, 3)
    >>> head.fit_statistics(torch.tensor([[0.6, 0.8], [0.8, 0.6]]), slice(0, 1))
    >>> head().shape
    torch.Size([1, 3, 2])
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, dim: int, n_classes: int, *, seeds: Sequence[int] = (0,), strength: float = PENALTY) -> None:
        super().__init__()
        self.strength = strength
        self.weight = nn.Parameter(torch.zeros(len(seeds), n_classes, dim + 1))
        self.register_buffer("mean", torch.full((len(seeds), dim), dim**-0.5))
        self.register_buffer("deviation", torch.ones(len(seeds), dim))

    def fit_statistics(self, features: Tensor | Blocks, runs: slice) -> None:
        """Take mean and standard deviation of each feature; in one pass where they do not fit into memory."""
        mean, deviation = mean_and_deviation(features)
        self.mean[runs], self.deviation[runs] = mean, deviation.clamp_min(1e-6)

    def forward(self) -> Tensor:
        """Return class weights on raw features, shape ``(R, K, D)``."""
        slopes = self.weight[..., :-1] / self.deviation[:, None]
        offsets = self.weight[..., -1:] - (slopes * self.mean[:, None]).sum(dim=-1, keepdim=True)
        projection = self.mean / self.mean.square().sum(dim=-1, keepdim=True)
        return slopes + offsets * projection[:, None]

    def penalty(self) -> Tensor:
        """Return the penalty of all runs."""
        return 0.5 * self.strength * self.weight[..., :-1].square().sum()


@provides_head("standardized", convex=True)
def standardized(backbone: Backbone, class_names: Sequence[str], seeds: Sequence[int], settings: FitSettings) -> Head:
    """Class weights on standardised features, penalised. The text tower is not used."""
    head = StandardizedHead(backbone.dim, len(class_names), seeds=seeds)
    return head.to(backbone.device)
