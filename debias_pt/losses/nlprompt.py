"""NLPrompt's loss: cross-entropy where optimal transport agrees with a label, absolute error elsewhere."""

from __future__ import annotations

import copy
from typing import ClassVar

import torch
from torch import Tensor

from debias_pt.errors import UsageError
from debias_pt.losses import LOSSES
from debias_pt.losses.base import Loss
from debias_pt.losses.sinkhorn import sinkhorn
from debias_pt.utils.registry import register
from debias_pt.utils.tensors import of_true_class


@register(LOSSES, "nlprompt")
class NLPrompt(Loss):
    """Cross-entropy on samples that count as clean, mean absolute error on the others (NLPrompt, arXiv 2412.01256).

    At the start of every epoch an entropic transport plan between the training images and the class embeddings
    (PromptOT) is computed with uniform marginals. A sample counts as clean if the plan's most likely class is the
    given label.

    Parameters
    ----------
    epsilon : float
        Weight of the plan's entropy. At 1 with `log_cost` the plan is the model's own probabilities,
        rescaled to the marginals.
    iterations : float
        Most Sinkhorn iterations, a whole number; it stops earlier once the classes' shares are met within 1 %.
    log_cost : bool
        The cost is ``-log p``, as the paper has it, or else ``-p``. What the released code calls the logarithm is the
        log-softmax of probabilities, which differs from ``p`` by a constant per image and therefore gives the plan of
        ``-p``; its training script sets epsilon 0.001.
    mae_weight : float
        Of the absolute error. It is ``1 - p_y`` (generalised cross-entropy at q = 1, as released) times this; the
        distance between ``p`` and the one-hot label, as the paper writes it, is at weight 2.

    Attributes
    ----------
    clean_ : Tensor of bool, shape (R, N)
        The split of the training set since the epoch's start.

    Raises
    ------
    UsageError
        If an option is out of range, or the loss is taken before the first epoch.

    Notes
    -----
    The released code makes separate optimiser steps on clean and noisy batches; here both are in one batch and one
    mean. With full-batch steps an epoch is a step, and the split is updated at each. Uniform marginals assume that the
    classes are equally frequent: use class-balanced data.

    Examples
    --------
    >>> loss, y = NLPrompt(), torch.tensor([[0, 0]])
    >>> logits = torch.tensor([[[3.0, -3.0], [-3.0, 3.0]]])
    >>> loss.start_epoch(logits, y)
    >>> loss.clean_
    tensor([[ True, False]])
    >>> loss.at(slice(None))(logits, y)
    tensor([[0.0025, 0.9975]])
    """

    sees_epochs: ClassVar[bool] = True
    clean_: Tensor | None = None

    def __init__(
        self, epsilon: float = 1.0, iterations: float = 100, log_cost: float = True, mae_weight: float = 1.0
    ) -> None:
        if not epsilon > 0 or iterations < 1 or not mae_weight >= 0:
            raise UsageError(
                f"epsilon is {epsilon}, iterations {iterations}, mae_weight {mae_weight}; nlprompt takes an epsilon "
                "above 0, 1 iteration or more and a weight of 0 or more"
            )
        self.epsilon, self.iterations, self.mae_weight = epsilon, int(iterations), mae_weight
        self.log_cost = bool(log_cost)

    def start_epoch(self, logits: Tensor, y: Tensor) -> None:
        """Split the training set.

        Parameters
        ----------
        logits : Tensor, shape (R, N, K)
            Of the whole training set.
        y : Tensor of int, shape (R, N)
            The given labels.
        """
        log_p = logits.detach().double().log_softmax(dim=-1)
        cost = -log_p if self.log_cost else -log_p.exp()
        plan = sinkhorn(cost, self.epsilon, iterations=self.iterations, tolerance=0.01)
        self.clean_ = plan.argmax(dim=-1) == y

    def at(self, rows: Tensor | slice) -> NLPrompt:
        """Return the loss of these rows of the training set: a slice for all runs, or ``(R, B)``."""
        if self.clean_ is None:
            raise UsageError("nlprompt has no split of the training set yet; call start_epoch first")
        batch = copy.copy(self)
        batch.clean_ = self.clean_[:, rows] if isinstance(rows, slice) else self.clean_.gather(1, rows)
        return batch

    def __call__(self, logits: Tensor, y: Tensor) -> Tensor:
        """Return the loss of every sample of the batch that :meth:`at` chose, shape ``(R, B)``."""
        if self.clean_ is None:
            raise UsageError("nlprompt has no split of the training set yet; call start_epoch first")
        log_p = of_true_class(logits.log_softmax(dim=-1), y)
        return torch.where(self.clean_, -log_p, -self.mae_weight * torch.expm1(log_p))
