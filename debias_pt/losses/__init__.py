"""Per-sample losses, one file each, named as the loss is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from debias_pt.utils.lazy import lazy_names
from debias_pt.utils.registry import Registry

if TYPE_CHECKING:
    from debias_pt.losses.base import Loss, make_loss

LOSSES: Registry[type[Loss]] = Registry("loss", __name__, shared=("base", "sinkhorn", "terms"))
__all__ = ["LOSSES", "Loss", "make_loss"]
__getattr__ = lazy_names(__name__)
