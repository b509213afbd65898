"""How much of the gradient comes from noisy samples (the gradient analysis of PTNL, arXiv 2307.11978)."""

from __future__ import annotations

import copy
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from debias_pt.errors import UsageError
from debias_pt.losses import Loss
from debias_pt.models.heads import Head
from debias_pt.training.callbacks import Callback
from debias_pt.training.data import FitData
from debias_pt.training.loop import Training


@dataclass(frozen=True)
class GradientShare:
    """The noisy samples' share of the gradient, per run.

    Parameters
    ----------
    parameters : Tensor, shape (R,)
        With respect to what the head learns.
    class_weights : Tensor, shape (R,)
        With respect to the class weights ``(K, D)``, which all heads have: comparable between heads of any size.
    """

    parameters: Tensor
    class_weights: Tensor

    def row(self, step: int) -> dict[str, object]:
        """Return the step and both shares as plain JSON."""
        return {"step": step, "parameters": self.parameters.tolist(), "class_weights": self.class_weights.tolist()}


def gradient_share(
    head: Head, loss: Loss, features: Tensor, y: Tensor, noisy: Tensor, *, runs: slice = slice(None)
) -> GradientShare:
    """Measure which share of a loss's gradient noisy samples contribute, at the head's present parameters.

    With ``g_noisy`` the gradient of the sum of the noisy samples' losses, ``g_clean`` that of the clean ones', the
    share is ``|g_noisy| / (|g_noisy| + |g_clean|)``, Euclidean norms over all parameters of a run. Gradients of single
    samples that cancel within their part therefore do not count: the comparison is of what moves the parameters.
    Group weights are left out. The paper plots the share of noisy samples over training; its text, as far as
    we could read it, does not give the formula. At equal gradients per sample and no cancelling, the share is the noise
    rate.

    Parameters
    ----------
    head : Head
        Of R runs or more; its gradients are left as they were.
    loss : Loss
        Asked for all rows. One that looks at epochs looks at these logits first; the given loss is left as it was.
    features : Tensor, shape (N, D) or (R, N, D)
        Of the whole training set.
    y : Tensor of int, shape (N,) or (R, N)
        The given labels, noise included.
    noisy : Tensor of bool, shape (N,) or (R, N)
        Where the given label is wrong.
    runs : slice
        The R runs among the head's, if they are not all.

    Returns
    -------
    GradientShare
        0 where a run has no noisy sample; NaN where nothing has a gradient.

    Raises
    ------
    UsageError
        If `noisy` has not one value per sample.
    """
    if noisy.shape[-1] != y.shape[-1]:
        raise UsageError(f"{noisy.shape[-1]} marks of noise for {y.shape[-1]} samples; give one for each")
    learned = [parameter for parameter in head.parameters() if parameter.requires_grad]
    weights = head()
    logits = head.logits(weights[runs], features)
    losses = _all_rows(loss, logits, y.expand(logits.shape[:-1]))
    parts = [(losses * mask).sum() for mask in (noisy.to(losses), (~noisy).to(losses))]
    gradients = [torch.autograd.grad(part, [weights, *learned], retain_graph=True) for part in parts]
    of_weights, of_parameters = [], []
    for own, *rest in gradients:
        of_weights.append(own[runs].flatten(1).norm(dim=1))
        of_parameters.append(torch.cat([gradient[runs].flatten(1) for gradient in rest], dim=1).norm(dim=1))
    return GradientShare(_share(*of_parameters), _share(*of_weights))


class GradientWatch(Callback):
    """Measures the noisy samples' share of the gradient while a head is fitted.

    Parameters
    ----------
    noisy : ndarray of bool, shape (N,) or (R, N)
        Where a training label is wrong: for analysis only, nothing is fitted with it.
    steps : collection of int
        When to look: after so many updates; 0 is before the first.
    run_groups : slice
        Which of the fit's run groups: one, or several of one run each that share a loss.

    Attributes
    ----------
    rows_ : list of dict
        ``step``, and for each run ``parameters`` and ``class_weights``; see :func:`gradient_share`.

    Examples
    --------
    >>> watch = GradientWatch(wrong, log_steps(200))                        # doctest: +SKIP
    >>> tuner.fit(table, groups, callbacks=[watch]).selected_steps_          # doctest: +SKIP
    >>> watch.rows_[0]                                                       # doctest: +SKIP
    {'step': 0, 'parameters': [0.63], 'class_weights': [0.61]}
    """

    def __init__(self, noisy: NDArray[np.bool_], steps: Collection[int], run_groups: slice = slice(1)) -> None:
        self.noisy, self.steps = torch.from_numpy(np.asarray(noisy, dtype=bool)), frozenset(steps)
        self.run_groups = run_groups
        self.rows_: list[dict[str, object]] = []

    def on_start(self, training: Training) -> None:
        """Look before the first step."""
        self.on_step(training)

    def on_step(self, training: Training) -> None:
        """Look, if it is time."""
        if training.step_ not in self.steps:
            return
        watched = training.run_groups[self.run_groups]
        train = watched[0].train if len(watched) == 1 else FitData.stack([one.train for one in watched])
        runs = slice(watched[0].runs.start, watched[-1].runs.stop)
        noisy = self.noisy.to(train.y.device)
        if not isinstance(train.features, Tensor):
            raise UsageError("gradients are measured on all training rows, which do not fit into memory; leave it out")
        share = gradient_share(training.head, watched[0].loss, train.features, train.y, noisy, runs=runs)
        self.rows_.append(share.row(training.step_))


def _all_rows(loss: Loss, logits: Tensor, y: Tensor) -> Tensor:
    if loss.sees_epochs:
        loss = copy.copy(loss)
        loss.start_epoch(logits.detach(), y)
    return loss.at(slice(None))(logits, y)


def _share(noisy: Tensor, clean: Tensor) -> Tensor:
    return (noisy / (noisy + clean)).detach().cpu()


def log_steps(steps: int, points: int = 20) -> list[int]:
    """Return up to `points` steps from 0 to `steps`, denser at the beginning, where gradients change fastest.

    Examples
    --------
    >>> log_steps(100, 6)
    [0, 1, 3, 10, 32, 100]
    """
    if steps < 1:
        return [0]
    powers = torch.logspace(0, torch.tensor(float(steps)).log10().item(), max(2, points - 1), dtype=torch.float64)
    return sorted({0, *(round(float(value)) for value in powers)})
