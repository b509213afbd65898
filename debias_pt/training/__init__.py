"""The tuner, the one training loop, and what it is given: data, selection, optimiser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from debias_pt.utils.lazy import lazy_names

if TYPE_CHECKING:
    from debias_pt.training.loop import Training
    from debias_pt.training.search import Search, search_settings
    from debias_pt.training.stacking import fit_together
    from debias_pt.training.tuner import Tuner
    from debias_pt.training.tuner import Tuner as PromptTuner  # noqa: F401  # as it was called in 0.1

__all__ = ["Search", "Training", "Tuner", "fit_together", "search_settings"]
__getattr__ = lazy_names(__name__)
