"""The tracking libraries that ``--track`` names; each is imported when the first step is logged."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any, ClassVar

from debias_pt.training.trackers import TRACKERS
from debias_pt.training.trackers.base import Tracker
from debias_pt.utils.registry import register

PROJECT = "debias-pt"
MLFLOW_BATCH = 1000  # metrics and parameters of one call
MLFLOW_NAME = 250  # characters of a metric's name


@register(TRACKERS, "tensorboard")
class TensorBoard(Tracker):
    """Writes event files to ``tensorboard/`` in the run's folder; ``tensorboard --logdir runs`` shows them."""

    needs: ClassVar[str] = "tensorboard"
    _writer: Any = None

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Write scalars; a resumed run hides the steps that it makes again."""
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(self.folder / "tensorboard"), purge_step=step)
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write what is left."""
        if self._writer is not None:
            self._writer.close()


@register(TRACKERS, "wandb")
class WeightsAndBiases(Tracker):
    """Writes to ``wandb/`` in the run's folder, and to its server unless ``WANDB_MODE=offline``."""

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


@register(TRACKERS, "trackio")
class Trackio(Tracker):
    """Logs to a local database, where ``TRACKIO_DIR`` says; ``trackio show`` shows it."""

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


@register(TRACKERS, "mlflow")
class MLflow(Tracker):
    """Logs to the experiment ``debias-pt``, where ``MLFLOW_TRACKING_URI`` says."""

    needs: ClassVar[str] = "mlflow"
    _client: Any = None

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Log a step in as few calls as MLflow allows."""
        from mlflow.entities import Metric

        if self._client is None:
            self._start()
        now = int(time.time() * 1000)
        metrics = [Metric(self._name(name), value, now, step) for name, value in figures.items()]
        for first in range(0, len(metrics), MLFLOW_BATCH):
            self._client.log_batch(self._id, metrics=metrics[first : first + MLFLOW_BATCH])

    def _start(self) -> None:
        from mlflow import MlflowClient
        from mlflow.entities import Param

        client = MlflowClient()
        known = client.get_experiment_by_name(PROJECT)
        experiment = known.experiment_id if known else client.create_experiment(PROJECT)
        self._id = client.create_run(experiment, run_name=self.folder.name).info.run_id
        params = [Param(name, str(value)) for name, value in self.config.items() if value not in (None, [], "")]
        client.log_batch(self._id, params=params)
        self._names: dict[str, str] = {}
        self._client = client

    def _name(self, name: str) -> str:
        """Return a metric's name in the characters that MLflow allows; two never become one."""
        if name not in self._names:
            plain = re.sub(r"[^\w/. -]", "", name)[:MLFLOW_NAME]
            taken = plain in self._names.values()
            self._names[name] = f"{plain} {len(self._names)}" if taken else plain
        return self._names[name]

    def close(self) -> None:
        """End the run."""
        if self._client is not None:
            self._client.set_terminated(self._id)
