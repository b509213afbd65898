"""Tracking libraries that can watch a fit, by name: ``debias-pt train --track tensorboard``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from debias_pt.utils.registry import Registry

if TYPE_CHECKING:
    from debias_pt.training.trackers.base import Tracker

TRACKERS: Registry[type[Tracker]] = Registry("tracker", __name__, group="debias_pt.trackers", file_is_name=False)
