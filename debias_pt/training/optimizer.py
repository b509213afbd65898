"""The optimiser and its learning rate, for runs that share one head and nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from debias_pt.settings import FitSettings


def learning_rate(step: int, settings: FitSettings) -> float:
    """Return the rate of a step: linear warm-up, then half a cosine to 0.

    Examples
    --------
    >>> [round(learning_rate(step, FitSettings(lr=1.0, steps=4)), 3) for step in range(4)]
    [1.0, 0.854, 0.5, 0.146]
    """
    if step < settings.warmup_steps:
        return settings.rate * (step + 1) / (settings.warmup_steps + 1)
    done = (step - settings.warmup_steps) / max(1, settings.steps - settings.warmup_steps)
    return settings.rate * 0.5 * (1 + math.cos(math.pi * done))


def make_optimizer(settings: FitSettings, parts: Sequence[Sequence[nn.Parameter]]) -> torch.optim.Optimizer:
    """Build the optimiser, with one parameter group for each part and its learning rate.

    Both kinds work element by element, so that stacked runs stay independent.
    """
    groups = [{"params": list(parameters), "lr": settings.rate} for parameters in parts]
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=settings.rate, momentum=settings.momentum, weight_decay=settings.weight_decay)
    return torch.optim.AdamW(groups, weight_decay=settings.weight_decay)


class RunSlice:
    """The parameters of some of a head's runs: separate leaf tensors that are views of the head's parameters.

    An optimiser step on them changes the head's values, each group at its own learning rate.

    Parameters
    ----------
    parameters : sequence of Parameter
        The head's; the run is their first axis.
    runs : slice
        Which runs.

    Attributes
    ----------
    parameters : list of Parameter
        Of these runs.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], runs: slice) -> None:
        self._whole, self._runs = parameters, runs
        self.parameters = [nn.Parameter(parameter.detach()[runs]) for parameter in parameters]

    def take_gradients(self) -> None:
        """Take over these runs' gradients, which a backward pass left on the head."""
        for own, whole in zip(self.parameters, self._whole, strict=True):
            own.grad = None if whole.grad is None else whole.grad[self._runs]
