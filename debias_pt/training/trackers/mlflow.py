"""MLflow, where ``MLFLOW_TRACKING_URI`` says."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any, ClassVar

from debias_pt.training.trackers import TRACKERS
from debias_pt.training.trackers.base import PROJECT, Tracker
from debias_pt.utils.registry import register

MOST = 1000  # metrics and parameters of one call
LONGEST = 250  # characters of a metric's name


@register(TRACKERS, "mlflow")
class MLflow(Tracker):
    """Logs to the experiment ``debias-pt``; its names of metrics take fewer characters than group names have."""

    needs: ClassVar[str] = "mlflow"
    _client: Any = None

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Log a step in one call."""
        from mlflow.entities import Metric

        if self._client is None:
            self._start()
        now = int(time.time() * 1000)
        metrics = [Metric(self._name(name), value, now, step) for name, value in figures.items()]
        for first in range(0, len(metrics), MOST):
            self._client.log_batch(self._id, metrics=metrics[first : first + MOST])

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
        """Return a metric's name in the characters it may have; two never become one."""
        if name not in self._names:
            plain = re.sub(r"[^\w/. -]", "", name)[:LONGEST]
            taken = plain in self._names.values()
            self._names[name] = f"{plain} {len(self._names)}" if taken else plain
        return self._names[name]

    def close(self) -> None:
        """End the run."""
        if self._client is not None:
            self._client.set_terminated(self._id)
