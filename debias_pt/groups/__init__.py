"""From the probe's answers to groups, and from predictions to accuracy by group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from debias_pt.utils.lazy import lazy_names

if TYPE_CHECKING:
    from debias_pt.groups.groups import Groups
    from debias_pt.groups.metrics import GroupReport
    from debias_pt.groups.probe import AttributeProbe

__all__ = ["AttributeProbe", "GroupReport", "Groups"]
__getattr__ = lazy_names(__name__)
