"""Project-Probe-Aggregate: a group-logit-adjusted linear head on pseudo groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from debias_pt.errors import UsageError
from debias_pt.groups.groups import Groups
from debias_pt.losses import Loss
from debias_pt.losses.cross_entropy import CrossEntropy
from debias_pt.models.heads import LinearHead
from debias_pt.reweighting import make_reweighter
from debias_pt.training.data import FitData, membership_of
from debias_pt.training.loop import Training
from debias_pt.training.run_group import RunGroup

from ..case import CLASSES, Case, Fitted, run_both_selections
from ..minority_recall import in_minority
from .jtt import error_groups
from .projection import off_span
from .zero_shot import ZeroShot

AGGREGATES = ("sum", "mean")


@dataclass(frozen=True)
class LogitAdjusted(Loss):
    """Cross-entropy of ``logits + tau * log(prior)`` (Menon et al., 2021, arXiv 2007.07314).

    Parameters
    ----------
    offsets : Tensor, shape (G,)
        ``tau * log(prior)``; minus infinity for an output that never occurs.

    Examples
    --------
    >>> loss = LogitAdjusted(torch.tensor([0.75, 0.25]).log())
    >>> loss(torch.zeros(1, 1, 2), torch.ones(1, 1, dtype=torch.long))
    tensor([[1.3863]])
    """

    offsets: Tensor

    def __call__(self, logits: Tensor, y: Tensor) -> Tensor:
        """Return the loss of every sample, shape ``(R, B)``."""
        return CrossEntropy()(logits + self.offsets, y)


class GroupHead(LinearHead):
    """A linear head with one output per group; a class's weight is the sum over its groups.

    It starts from zero, so that a group without samples, which never has a gradient, adds nothing: a random start is
    noise that a sum over few groups does not wash out.

    Parameters
    ----------
    dim : int
        Size D of the features.
    groups : Groups
        Of the training set.
    seeds : sequence of int
        One per run.
    scale : float
        Factor to logits.
    mean : bool
        Divide the sum by the number of the class's groups that occur.
    """

    share: Tensor

    def __init__(self, dim: int, groups: Groups, *, seeds: Sequence[int], scale: float, mean: bool = False) -> None:
        super().__init__(dim, groups.n_groups, seeds=seeds, start=torch.zeros(groups.n_groups, dim), scale=scale)
        occurs = torch.from_numpy(groups.counts > 0).float().view(len(groups.class_names), -1)
        share = 1 / occurs.sum(dim=1).clamp_min(1) if mean else torch.ones(len(occurs))
        self.register_buffer("share", share[:, None], persistent=False)

    def class_weights(self, weights: Tensor) -> Tensor:
        """Return class weights ``(R, K, D)`` of group weights ``(R, G, D)``."""
        runs, groups, dim = weights.shape
        classes = len(self.share)
        return weights.reshape(runs, classes, groups // classes, dim).sum(dim=2) * self.share


@dataclass(frozen=True)
class PPA:
    """Project-Probe-Aggregate (Zhu et al., 2025, arXiv 2503.09487).

    1. Features are projected off the span of the class embeddings, and a linear head is fitted there, its
       logits adjusted by the class priors: what it can still use is the shortcut.
    2. Whether it is right or wrong is the pseudo attribute (or, with ``probe``, our probe's answers).
    3. A linear head over groups is fitted with logits adjusted by ``tau * log`` of the group priors, and a
       class's group weights are added up. Their mean over the groups that occur predicts the same only if all classes
       have equally many of these: a class of one group has half the say in a sum that it has in a mean.

    Parameters
    ----------
    tau : float
        Strength of both adjustments.
    probe : bool
        Take the probe's pseudo groups instead of the first two steps.
    rate : float
        Learning rate of the last step as a share of the common one.
    aggregate : {"sum", "mean"}
        What becomes of a class's group weights; the paper's is the sum.
    """

    tau: float = 1.0
    probe: bool = False
    rate: float = 0.25
    aggregate: str = "sum"
    labels: ClassVar[tuple[str, ...]] = (CLASSES,)

    def __post_init__(self) -> None:
        if self.aggregate not in AGGREGATES:
            raise UsageError(f"aggregate is {self.aggregate!r}; {' or '.join(AGGREGATES)} expected")

    def __call__(self, case: Case) -> Fitted:
        """Fit both heads; they start from zero, so that a seed matters with minibatches only."""
        if self.probe:
            groups = case.prepared.pseudo
            flagged = in_minority(case, groups)
        else:
            wrong = self.errors(case)
            groups, flagged = error_groups(case.prepared.pseudo, wrong), wrong[case.split("train")][None]
        return self._debiased(case, groups, flagged)

    def errors(self, case: Case) -> NDArray[np.bool_]:
        """Return which of all rows the biased head gets wrong, shape ``(N,)``."""
        table, pseudo = case.prepared.table, case.prepared.pseudo
        classes = ZeroShot().weights(case).double().cpu().numpy()
        projected = torch.from_numpy((table.features @ off_span(classes)).astype(np.float32))
        train = np.flatnonzero(table.split == "train")
        y = torch.from_numpy(table.y)
        data = FitData(projected[train], y[train], membership_of(pseudo.rows(train)))
        head = LinearHead(
            projected.shape[1],
            len(classes),
            start=torch.zeros(len(classes), projected.shape[1]),
            scale=case.prepared.backbone.logit_scale,
        )
        priors = np.bincount(table.y[train], minlength=len(classes)) / len(train)
        settings = case.options(head="linear", method="erm", select="last", seeds=1)
        loss = LogitAdjusted(self._offsets(priors))
        Training(head, [RunGroup(loss, make_reweighter("erm"), settings, (settings.seed,), data, data, pseudo)]).run()
        with torch.no_grad():
            predicted = head.logits(head(), projected)[0].argmax(dim=-1).numpy()
        return np.asarray(predicted != table.y)

    def _debiased(self, case: Case, groups: Groups, flagged: NDArray[np.bool_] | None) -> Fitted:
        table, backbone = case.prepared.table, case.prepared.backbone
        train = groups.rows(table.split == "train")
        y = torch.from_numpy(train.index)
        features = torch.from_numpy(table.where("train").features)
        seeds = case.seeds if case.settings.batch_size else case.seeds[:1]
        mean = self.aggregate == "mean"
        head = GroupHead(backbone.dim, train, seeds=seeds, scale=backbone.logit_scale, mean=mean)
        run_group = RunGroup(
            LogitAdjusted(self._offsets(train.counts / len(train))),
            make_reweighter("erm"),
            case.options(head="linear", method="erm", lr=self.rate * case.settings.rate),
            seeds,
            FitData(features, y, membership_of(train)),
            FitData.of(table.where("val"), case.val_groups(groups).rows(table.split == "val"), y.device),
            groups,
        )
        (fitted,) = run_both_selections(Training(head, [run_group]), case)
        return replace(fitted, flagged=flagged)

    def _offsets(self, priors: NDArray[np.float64]) -> Tensor:
        with np.errstate(divide="ignore"):
            return torch.from_numpy(self.tau * np.log(priors)).float()
