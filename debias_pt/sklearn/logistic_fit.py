"""Logistic regression in the library's training loop: any scheduler, any loss, and a free intercept."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from debias_pt.groups.groups import Groups
from debias_pt.models.heads.linear import LinearHead
from debias_pt.settings import FitSettings
from debias_pt.training.data import FitData, membership_of
from debias_pt.training.fit_checks import criterion, scheduler
from debias_pt.training.loop import Training
from debias_pt.training.run_group import RunGroup

Array = NDArray[np.float64]


class PenalizedHead(LinearHead):
    """Class weights and, as the last column, an intercept that the penalty leaves alone.

    Parameters
    ----------
    dim : int
        D, without the intercept.
    n_classes : int
        K.
    alpha : float
        Strength of the penalty ``alpha / 2 * |weights|^2``.
    """

    def __init__(self, dim: int, n_classes: int, alpha: float) -> None:
        super().__init__(dim + 1, n_classes, start=torch.zeros(n_classes, dim + 1))
        self.alpha = alpha

    def penalty(self) -> Tensor:
        """Return the penalty."""
        return 0.5 * self.alpha * self.weight[..., :-1].square().sum()


def fit_logistic(features: NDArray[Any], groups: Groups, settings: FitSettings, alpha: float) -> tuple[Array, Array]:
    """Fit softmax regression on standardised features, samples being weighted by a scheduler.

    Parameters
    ----------
    features : ndarray of float, shape (N, D)
        Of any scale.
    groups : Groups
        Of these rows; they hold the labels too.
    settings : FitSettings
        Method, loss, steps, learning rate, batch size.
    alpha : float
        Strength of the penalty on the weights of standardised features.

    Returns
    -------
    weights, intercept : ndarray, shapes (K, D) and (K,)
        On the features as given.
    """
    mean, scale = features.mean(axis=0, dtype=np.float64), features.std(axis=0, dtype=np.float64)
    constant = scale <= 1e-7 * np.maximum(abs(mean), 1e-7)
    scale = np.where(constant, 1.0, scale)
    standardized = np.hstack([(features - mean) / scale, np.ones((len(features), 1))]).astype(np.float32)
    train = FitData(
        torch.from_numpy(standardized),
        torch.from_numpy(groups.y),
        membership_of(groups, soft=bool(settings.soft)),
    )
    head = PenalizedHead(features.shape[1], len(groups.class_names), alpha)
    no_validation = train.at(slice(0, 0))
    run = RunGroup(criterion(settings), scheduler(settings), settings, (settings.seed,), train, no_validation, groups)
    Training(head, [run]).run()
    learned = head.weight[0].detach().double().numpy()
    weights = learned[:, :-1] / scale
    return weights, learned[:, -1] - weights @ mean
