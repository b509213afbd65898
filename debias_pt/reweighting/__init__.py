"""Group reweighting schedulers, one file each, named as the scheduler is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from debias_pt.utils.lazy import lazy_names
from debias_pt.utils.registry import Registry

if TYPE_CHECKING:
    from debias_pt.reweighting.base import Reweighter, make_reweighter

REWEIGHTERS: Registry[type[Reweighter]] = Registry("scheduler", __name__)
__all__ = ["REWEIGHTERS", "Reweighter", "make_reweighter"]
__getattr__ = lazy_names(__name__)
