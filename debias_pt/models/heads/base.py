"""What a head is: parameters that give class weights. One training loop serves them all."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Head(nn.Module, ABC):
    """Gives class weights ``(R, K, D)``; every parameter has the run as its first axis.

    Attributes
    ----------
    scale : float
        Factor from the product of features and class weights to logits.
    """

    scale: float = 1.0

    @abstractmethod
    def forward(self) -> Tensor:
        """Return the class weights of R runs, shape ``(R, K, D)``."""

    def class_weights(self, weights: Tensor) -> Tensor:
        """Return the class weights ``(R, K, D)`` to predict with, from what :meth:`forward` gave."""
        return weights

    def logits(self, weights: Tensor, features: Tensor) -> Tensor:
        """Return logits ``(R, B, K)`` for class weights and features ``(B, D)`` or ``(R, B, D)``."""
        if features.dim() == 3:
            return self.scale * (features @ weights.transpose(-1, -2))
        # One plain product for all runs: a batched one is several times slower where K is small.
        product = weights.flatten(0, 1) @ features.T
        return self.scale * product.view(*weights.shape[:2], -1).transpose(-1, -2)
