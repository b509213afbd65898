"""Weights & Biases, as its own settings have it: ``WANDB_MODE=offline`` keeps everything in the run's folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from debias_pt.training.trackers import TRACKERS
from debias_pt.training.trackers.base import PROJECT, Tracker
from debias_pt.utils.registry import register


@register(TRACKERS, "wandb")
class WeightsAndBiases(Tracker):
    """Writes to ``wandb/`` in the run's folder, and to its server unless it is offline."""

    needs: ClassVar[str] = "wandb"
    _run: Any = None

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Log a step."""
        if self._run is None:
            import wandb

            self._run = wandb.init(
                project=PROJECT, name=self.folder.name, dir=str(self.folder), config=self.config, reinit="create_new"
            )
        self._run.log(dict(figures), step=step)

    def close(self) -> None:
        """Finish the run."""
        if self._run is not None:
            self._run.finish()
