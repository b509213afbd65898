"""Fitting to the optimum: where an objective has only one, L-BFGS finds it in a few dozen passes."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from debias_pt.features.mapped import MappedRows
from debias_pt.models.heads import Head
from debias_pt.training.run_group import RunGroup
from debias_pt.utils.row_blocks import row_blocks

TOLERANCE = 1e-5  # largest partial derivative at the end
MEMORY = 20  # pairs of steps and gradients that L-BFGS keeps
KEPT = 2**30  # bytes of features that are held in double precision

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Optimum:
    """Where a fit ended.

    Parameters
    ----------
    steps : int
        Iterations; the most of any run.
    gradient : float
        Largest partial derivative of the objective, of any run.
    """

    steps: int
    gradient: float

    @property
    def reached(self) -> bool:
        """Whether the gradient is as good as zero."""
        return self.gradient <= TOLERANCE


def find_optimum(head: Head, run_group: RunGroup, most: int) -> Optimum:
    """Put the parameters of a run group's runs to the minimum of their objective.

    The objective is the loop's: the mean over samples of weight times loss, plus the head's penalty. It is computed in
    double precision, since a line search in single precision stops early, and minimized by scipy's L-BFGS-B, one run at
    a time. Runs on the same data have the same optimum, and are fitted once.

    Parameters
    ----------
    head : Head
        Of all runs; convex, see :class:`~debias_pt.models.heads.base.HeadKind`.
    run_group : RunGroup
        Started, with weights that stay fixed.
    most : int
        Iterations, at most.
    """
    data = run_group.train
    p = torch.zeros(len(run_group.seeds), len(data), device=data.y.device)
    weights = run_group.reweighter(p, p, data.membership).double()
    shared = isinstance(data.features, MappedRows) or (data.features.dim() == 2 and data.y.dim() == 1)
    shared = shared and bool((weights == weights[:1]).all())
    found = [_Objective(head, run_group, weights, run).minimize(most) for run in range(1 if shared else len(weights))]
    with torch.no_grad():
        for run, own in enumerate(run_group.params.parameters[0]):
            own.copy_(torch.from_numpy(found[0 if shared else run][0]).view_as(own))
    ends = [end for _, end in found]
    return Optimum(max(end.steps for end in ends), max(end.gradient for end in ends))


class _Objective:
    """The objective of one run, as a function of its flattened parameters."""

    def __init__(self, head: Head, run_group: RunGroup, weights: Tensor, run: int) -> None:
        self.head, self.run_group, self.run = _of_run(head, run_group.runs.start + run), run_group, run
        (self.parameter,) = self.head.parameters()
        self.weights = weights[run]
        size = 8 * len(run_group.train) * run_group.train.features.shape[-1]
        self.kept = list(self._blocks()) if size <= KEPT else None  # else they are converted anew in every pass

    def _blocks(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield features in double precision, labels and weights, some rows at a time."""
        data = self.run_group.train
        y = data.y if data.y.dim() == 1 else data.y[self.run]
        if isinstance(data.features, MappedRows):
            for rows, block in zip(row_blocks(len(y)), data.features.blocks(), strict=True):
                yield block.double(), y[rows], self.weights[rows]
            return
        features = data.features if data.features.dim() == 2 else data.features[self.run]
        for rows in row_blocks(len(y)):
            yield features[rows].double(), y[rows], self.weights[rows]

    def minimize(self, most: int) -> tuple[Array, Optimum]:
        """Return the parameters at the minimum, and how it was reached."""
        start = self.parameter.detach().cpu().numpy().ravel()
        options = {"maxiter": most, "maxfun": 10 * most + 100, "maxcor": MEMORY, "gtol": TOLERANCE, "ftol": 0.0}
        end = minimize(self, start, jac=True, method="L-BFGS-B", options=options)
        return end.x, Optimum(int(end.nit), float(np.abs(end.jac).max()))

    def __call__(self, flat: Array) -> tuple[float, Array]:
        """Return value and gradient."""
        with torch.no_grad():
            self.parameter.copy_(torch.from_numpy(flat).view_as(self.parameter))
        self.head.zero_grad()
        weights = self.head()
        leaf = weights.detach().requires_grad_()
        value = 0.0
        for features, y, sample_weights in self.kept or self._blocks():
            losses = self.run_group.loss(self.head.logits(leaf, features), y[None])[0]
            part = (sample_weights * losses).sum() / len(self.weights)
            part.backward()  # type: ignore[no-untyped-call]
            value += float(part.detach())
        penalty = self.head.penalty()
        torch.autograd.backward([weights, penalty], [leaf.grad, None])
        assert self.parameter.grad is not None
        return value + float(penalty.detach()), self.parameter.grad.cpu().numpy().ravel()


def _of_run(head: Head, run: int) -> Head:
    """Return a copy of a head with one of its runs, in double precision."""
    own = copy.deepcopy(head).double()
    for name, value in [*own.named_parameters(), *own.named_buffers()]:
        if isinstance(value, torch.nn.Parameter):
            value.data = value.data[run : run + 1].clone()
        else:
            setattr(own, name, value[run : run + 1].clone())
    return own
