"""The head that learns context and class names alike (PTNL's full tuning)."""

from __future__ import annotations

from collections.abc import Sequence

from debias_pt.models.backbone import Backbone
from debias_pt.models.heads.base import Head, provides_head, random_context
from debias_pt.models.heads.class_tokens import ClassTokenHead
from debias_pt.settings import FitSettings


@provides_head("full-prompt", takes=("context_length", "context_init"), random_start=random_context)
def full_prompt(backbone: Backbone, class_names: Sequence[str], seeds: Sequence[int], settings: FitSettings) -> Head:
    """Context vectors and the class names' token embeddings."""
    return ClassTokenHead(
        backbone,
        class_names,
        seeds=seeds,
        context_init=settings.context_init,
        context_length=settings.context_length,
    )
