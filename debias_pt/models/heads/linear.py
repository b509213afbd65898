"""The linear head: a plain classifier on features, random or started from class embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from debias_pt.models.backbone import Backbone
from debias_pt.models.heads.base import Head, provides_head
from debias_pt.settings import FitSettings


class LinearHead(Head):
    """Class weights that are parameters themselves (the paper's plain vision models; PTNL's Classifier-R and -C).

    Parameters
    ----------
    dim : int
        Size D of the features.
    n_classes : int
        K.
    seeds : sequence of int
        One per run; R of them. A seed draws the run's first weights.
    start : Tensor, shape (K, D), optional
        First weights for all runs, for instance class text embeddings, instead of random ones.
    scale : float
        Factor to logits; with class embeddings the model's logit scale makes the start zero-shot.

    Attributes
    ----------
    weight : Parameter, shape (R, K, D)
        What is learned.

    Examples
    --------
    >>> LinearHead(8, 3, seeds=[0, 1])().shape
    torch.Size([2, 3, 8])
    """

    def __init__(
        self,
        dim: int,
        n_classes: int,
        *,
        seeds: Sequence[int] = (0,),
        start: Tensor | None = None,
        scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.scale = scale
        if start is None:
            draws = [torch.randn(n_classes, dim, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
            weight = torch.stack(draws) * dim**-0.5
        else:
            weight = start.detach().float().cpu().repeat(len(seeds), 1, 1)
        self.weight = nn.Parameter(weight)

    def forward(self) -> Tensor:
        """Return the class weights, shape ``(R, K, D)``."""
        return self.weight


@provides_head("linear", random_start=lambda settings: True)
def linear(backbone: Backbone, class_names: Sequence[str], seeds: Sequence[int], settings: FitSettings) -> Head:
    """Class weights with a random start: a linear probe (PTNL's Classifier-R). The text tower is not used."""
    head = LinearHead(backbone.dim, len(class_names), seeds=seeds, scale=backbone.logit_scale)
    return head.to(backbone.device)
