"""Methods, one file each, named as the method is: where groups come from, how they are weighted, what is learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from debias_pt.methods.registry import MethodRegistry
from debias_pt.utils.lazy import lazy_names

if TYPE_CHECKING:
    from debias_pt.methods.base import Method
    from debias_pt.methods.composition import complete, parts, parts_text
    from debias_pt.methods.grouping import make_groups

METHODS = MethodRegistry("method", __name__, shared=("base", "composition", "grouping", "optimizer", "registry"))
__all__ = ["METHODS", "Method", "complete", "make_groups", "parts", "parts_text"]
__getattr__ = lazy_names(__name__)
