"""The linear head that starts from the class names' embeddings, hence zero-shot (PTNL's Classifier-C)."""

from __future__ import annotations

from collections.abc import Sequence

from debias_pt.models.backbone import Backbone
from debias_pt.models.heads.base import Head, provides_head
from debias_pt.models.heads.linear import LinearHead
from debias_pt.models.zero_shot import TEMPLATE, zero_shot_weights
from debias_pt.settings import FitSettings


@provides_head("linear-from-text", takes=("template",))
def linear_from_text(
    backbone: Backbone, class_names: Sequence[str], seeds: Sequence[int], settings: FitSettings
) -> Head:
    """Class weights that start from the class names' embeddings."""
    start = zero_shot_weights(backbone, class_names, settings.template or TEMPLATE)
    head = LinearHead(backbone.dim, len(class_names), seeds=seeds, start=start, scale=backbone.logit_scale)
    return head.to(backbone.device)
