"""The frozen CLIP, its text pass, and the heads that give class weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from debias_pt.utils.lazy import lazy_names

if TYPE_CHECKING:
    from debias_pt.models.backbone import Backbone
    from debias_pt.models.zero_shot import zero_shot_weights

__all__ = ["Backbone", "zero_shot_weights"]
__getattr__ = lazy_names(__name__)
