"""TensorBoard: event files in the run's folder; ``tensorboard --logdir runs`` shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from debias_pt.training.trackers import TRACKERS
from debias_pt.training.trackers.base import Tracker
from debias_pt.utils.registry import register


@register(TRACKERS, "tensorboard")
class TensorBoard(Tracker):
    """Writes to ``tensorboard/`` in the run's folder."""

    needs: ClassVar[str] = "tensorboard"
    _writer: Any = None

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Write scalars; a resumed run hides the steps that it makes again."""
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            folder = str(self.folder / "tensorboard")
            self._writer = SummaryWriter(folder, purge_step=step)
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write what is left."""
        if self._writer is not None:
            self._writer.close()
