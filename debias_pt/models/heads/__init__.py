"""Heads, one file each, named as the head is: different ways from parameters to class weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from debias_pt.utils.lazy import lazy_names
from debias_pt.utils.registry import Registry

if TYPE_CHECKING:
    from debias_pt.models.heads.base import Head, HeadKind
    from debias_pt.models.heads.class_tokens import ClassTokenHead
    from debias_pt.models.heads.group_prompt import GroupPromptHead
    from debias_pt.models.heads.linear import LinearHead
    from debias_pt.models.heads.penalized_prompt import PenalizedPromptHead
    from debias_pt.models.heads.prompt import PromptHead
    from debias_pt.models.heads.standardized import StandardizedHead
    from debias_pt.models.heads.text_encoder import TextEncoderHead

HEADS: Registry[HeadKind] = Registry("head", __name__, group="debias_pt.heads", shared=("base", "prompt_init"))
__all__ = [
    "HEADS",
    "ClassTokenHead",
    "GroupPromptHead",
    "Head",
    "HeadKind",
    "LinearHead",
    "PenalizedPromptHead",
    "PromptHead",
    "StandardizedHead",
    "TextEncoderHead",
]
__getattr__ = lazy_names(__name__)
