"""Heads, one file each: different ways from parameters to class weights."""

from debias_pt.heads.base import Head
from debias_pt.heads.class_tokens import ClassTokenHead
from debias_pt.heads.kinds import HEADS
from debias_pt.heads.linear import LinearHead
from debias_pt.heads.prompt import PromptHead
from debias_pt.heads.text_encoder import TextEncoderHead

__all__ = ["HEADS", "ClassTokenHead", "Head", "LinearHead", "PromptHead", "TextEncoderHead"]
