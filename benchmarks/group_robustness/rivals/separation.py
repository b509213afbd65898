"""The zero-shot template that separates the classes best, for the whole set or for each image; nothing is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from debias_pt.models.zero_shot import zero_shot_weights

from ..case import Case, Fitted, linear
from .zero_shot import TEMPLATES


def margins(features: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how far the best class is ahead of the second, of images ``(N, D)`` by template ``(T, K, D)``: ``(T, N)``.

    Examples
    --------
    >>> features = np.array([[1.0, 0.0], [0.6, 0.8]], dtype=np.float32)
    >>> margins(features, np.array([[[1.0, 0.0], [0.0, 1.0]]], dtype=np.float32)).round(1)
    array([[1. , 0.2]], dtype=float32)
    """
    ranked = np.sort(features @ weights.transpose(0, 2, 1), axis=-1)
    return np.asarray(ranked[..., -1] - ranked[..., -2])


@dataclass(frozen=True)
class Separation:
    """Zero-shot with a chosen template, after SAGE (arXiv 2511.13005).

    SAGE explores a space of templates and takes those with the largest semantic separation between the classes. This
    construction is ours, made from that sentence: separation is how far the best class's similarity is ahead of the
    second.

    Parameters
    ----------
    by_image : bool
        Choose for every image; else once, by the mean over the training images, whose labels are not looked at.
    templates : tuple of str
        With ``{}`` for the class name.
    """

    by_image: bool = True
    templates: tuple[str, ...] = TEMPLATES
    labels: ClassVar[tuple[str, ...]] = ()

    def __call__(self, case: Case) -> Fitted:
        """Nothing is fitted; one run."""
        names, backbone = case.prepared.table.class_names, case.prepared.backbone
        each = torch.stack([zero_shot_weights(backbone, names, template) for template in self.templates])
        weights = each.cpu().numpy()
        if not self.by_image:
            train = case.prepared.table.where("train").features
            best = int(margins(train, weights).mean(axis=1).argmax())
            return Fitted((case.settings.seed,), linear(weights[best : best + 1]))

        def predict(features: NDArray[np.float32]) -> NDArray[np.int64]:
            best = margins(features, weights).argmax(axis=0)
            return np.asarray(linear(weights)(features)[best, np.arange(len(features))])[None]

        return Fitted((case.settings.seed,), predict)
