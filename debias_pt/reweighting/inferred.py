"""Class and group balance on groups that are inferred from the images, without words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from debias_pt.reweighting import REWEIGHTERS
from debias_pt.reweighting.anchored import Anchored
from debias_pt.utils.registry import register


@register(REWEIGHTERS, "inferred")
@dataclass(eq=False)
class Inferred(Anchored):
    """The weights of ``anchored``, with class labels as the only source of groups.

    The groups are those of :func:`~debias_pt.groups.inferred_groups.infer_groups`; no attribute is asked for.

    Examples
    --------
    >>> Inferred().needs_words
    False
    """

    probe: ClassVar[str] = "zero-shot"  # for reports, where an attribute is suspected all the same
    needs_words: ClassVar[bool] = False
