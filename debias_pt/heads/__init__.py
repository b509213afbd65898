"""Heads, one file each: different ways from parameters to class weights."""

from debias_pt.heads.base import Head
from debias_pt.heads.kinds import HEADS
from debias_pt.heads.linear import LinearHead
from debias_pt.heads.prompt import PromptHead

__all__ = ["HEADS", "Head", "LinearHead", "PromptHead"]
