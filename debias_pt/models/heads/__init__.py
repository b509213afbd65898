"""Heads, one file each: different ways from parameters to class weights."""

from debias_pt.models.heads.base import Head
from debias_pt.models.heads.build import HEADS
from debias_pt.models.heads.class_tokens import ClassTokenHead
from debias_pt.models.heads.linear import LinearHead
from debias_pt.models.heads.prompt import PromptHead
from debias_pt.models.heads.text_encoder import TextEncoderHead

__all__ = ["HEADS", "ClassTokenHead", "Head", "LinearHead", "PromptHead", "TextEncoderHead"]
