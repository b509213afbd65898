"""The frozen model with one prompt, and with several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from debias_pt.models.zero_shot import TEMPLATE, zero_shot_weights

from ..case import Case, Fitted, linear

TEMPLATES = (
    TEMPLATE,
    "a picture of a {}.",
    "an image of a {}.",
    "a photo of the {}.",
    "a photo of a small {}.",
    "a photo of a big {}.",
    "a dark photo of a {}.",
)


@dataclass(frozen=True)
class ZeroShot:
    """Class weights are text embeddings: the mean over the templates' unit embeddings.

    Parameters
    ----------
    templates : tuple of str
        With ``{}`` for the class name.
    """

    templates: tuple[str, ...] = (TEMPLATE,)
    labels: ClassVar[tuple[str, ...]] = ()

    def weights(self, case: Case) -> Tensor:
        """Return unit class weights, shape ``(K, D)``."""
        names, backbone = case.prepared.table.class_names, case.prepared.backbone
        each = torch.stack([zero_shot_weights(backbone, names, template) for template in self.templates])
        return torch.nn.functional.normalize(each.mean(dim=0), dim=-1)

    def __call__(self, case: Case) -> Fitted:
        """Nothing is fitted; one run."""
        return Fitted((case.settings.seed,), linear(self.weights(case)[None].cpu().numpy()))
