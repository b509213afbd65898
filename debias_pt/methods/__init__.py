"""Methods, one file each, named as the method is: where groups come from, how they are weighted, what is learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from debias_pt.methods.registry import MethodRegistry
from debias_pt.utils.lazy import lazy_names

if TYPE_CHECKING:
    from debias_pt.methods.base import Method
    from debias_pt.methods.make_groups import make_groups
    from debias_pt.methods.parts import complete, parts, parts_text

METHODS = MethodRegistry("method", __name__, shared=("base", "make_groups", "parts", "registry"))
_HOMES = {
    "Method": "base",
    "complete": "parts",
    "make_groups": "make_groups",
    "parts": "parts",
    "parts_text": "parts",
}
__all__ = ["METHODS", "Method", "complete", "make_groups", "parts", "parts_text"]
__getattr__ = lazy_names(__name__, _HOMES)
