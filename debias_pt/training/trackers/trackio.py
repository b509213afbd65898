"""Trackio: a local database, where ``TRACKIO_DIR`` says; ``trackio show`` shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from debias_pt.training.trackers import TRACKERS
from debias_pt.training.trackers.base import PROJECT, Tracker
from debias_pt.utils.registry import register


@register(TRACKERS, "trackio")
class Trackio(Tracker):
    """Logs to the project ``debias-pt``."""

    needs: ClassVar[str] = "trackio"
    _run: Any = None

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Log a step."""
        if self._run is None:
            import trackio

            self._run = trackio.init(project=PROJECT, name=self.folder.name, config=self.config, embed=False)
        self._run.log(dict(figures), step=step)

    def close(self) -> None:
        """Write what is left."""
        if self._run is not None:
            import trackio

            trackio.finish()  # the run's own method would be called once more when Python ends
