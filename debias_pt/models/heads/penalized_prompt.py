"""The prompt head with the penalty of the standardized head: a prompt that is held back from fitting single images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from debias_pt.models.backbone import Backbone
from debias_pt.models.heads.base import Blocks, Head, mean_and_deviation, provides_head, random_context
from debias_pt.models.heads.prompt import PromptHead
from debias_pt.settings import FitSettings

PENALTY = 1.0  # chosen by cross-validation on training and validation rows; docs/methods/prompts.md


class PenalizedPromptHead(PromptHead):
    """A prompt whose class weights are penalized as those of a linear head are.

    The penalty is ``strength / 2 * sum_kd (s_d * c * (w_kd - mean_k w_kd))^2``, with the model's logit scale c and the
    standard deviation s_d of feature d over the training rows: half the squared length of the class weights that act on
    standardized features. What all classes have in common changes no probability and is free. Without it, the model's
    scale makes logits so large that a prompt can fit the few images of a small group one by one.

    Parameters
    ----------
    backbone, class_names
        As for :class:`~debias_pt.models.heads.prompt.PromptHead`.
    strength : float
        Of the penalty.
    **options
        As for :class:`~debias_pt.models.heads.prompt.PromptHead`.

    Attributes
    ----------
    deviation : Tensor, shape (R, D)
        Of the training features, once fitted.

    Examples
    --------
    >>> head = PenalizedPromptHead(backbone, ["landbird", "waterbird"], seeds=[0, 1])     # doctest: +SKIP
    >>> head.fit_statistics(features, slice(0, 2))                                         # doctest: +SKIP
    >>> head.weight_penalty(head())                                                        # doctest: +SKIP
    tensor(0.6254)
    """

    deviation: Tensor

    def __init__(
        self, backbone: Backbone, class_names: Sequence[str], *, strength: float = PENALTY, **options: Any
    ) -> None:
        super().__init__(backbone, class_names, **options)
        self.strength = strength
        ones = torch.ones(len(self.context), backbone.dim, device=self.context.device)
        self.register_buffer("deviation", ones)

    def fit_statistics(self, features: Tensor | Blocks, runs: slice) -> None:
        """Take the standard deviation of each feature."""
        self.deviation[runs] = mean_and_deviation(features)[1]

    def weight_penalty(self, weights: Tensor) -> Tensor:
        """Return the penalty of all runs, for class weights ``(R, K, D)``."""
        apart = weights - weights.mean(dim=1, keepdim=True)
        return 0.5 * self.strength * (self.scale * self.deviation[:, None] * apart).square().sum()


@provides_head(
    "penalized-prompt",
    takes=("context_length", "context_init", "class_specific", "class_position"),
    random_start=random_context,
)
def penalized_prompt(
    backbone: Backbone, class_names: Sequence[str], seeds: Sequence[int], settings: FitSettings
) -> Head:
    """Context vectors around the class names, with a penalty on the class weights that they give."""
    return PenalizedPromptHead(
        backbone,
        class_names,
        seeds=seeds,
        context_length=settings.context_length,
        context_init=settings.context_init,
        class_specific=settings.class_specific,
        class_position=settings.class_position,
    )
