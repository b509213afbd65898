"""What a loss is here: logits and labels to one number per sample, never reduced."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor

from debias_pt.registry import build


class Loss(ABC):
    """A per-sample loss. Subclasses compute; weights and means are the training loop's."""

    @abstractmethod
    def __call__(self, logits: Tensor, y: Tensor) -> Tensor:
        """Return the loss of every sample.

        Parameters
        ----------
        logits : Tensor, shape (R, B, K)
            For R runs.
        y : Tensor of int, shape (R, B)
            Class labels.

        Returns
        -------
        Tensor, shape (R, B)
        """


def of_true_class(values: Tensor, y: Tensor) -> Tensor:
    """Return each sample's value for its true class, ``(R, B, K)`` and ``(B,)`` or ``(R, B)`` to ``(R, B)``."""
    return values.gather(-1, y.expand(values.shape[:-1])[..., None]).squeeze(-1)


LOSSES: dict[str, type[Loss]] = {}


def make_loss(name: str, **options: Any) -> Loss:
    """Build a loss by name; options that are None are left out.

    Raises
    ------
    UsageError
        For an unknown name, or an option the loss does not take.

    Examples
    --------
    >>> make_loss("gce", q=0.7)
    GeneralizedCrossEntropy(q=0.7)
    """
    return build(LOSSES, name, "loss", **options)
