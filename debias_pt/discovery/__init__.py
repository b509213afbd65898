"""Discovery: the shortcut found without its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from debias_pt.utils.lazy import lazy_names

if TYPE_CHECKING:
    from debias_pt.discovery.discover import find_attributes
    from debias_pt.discovery.finding import Discovery, Finding
    from debias_pt.discovery.words import Vocabulary, read_vocabulary

__all__ = ["Discovery", "Finding", "Vocabulary", "find_attributes", "read_vocabulary"]
__getattr__ = lazy_names(__name__)
