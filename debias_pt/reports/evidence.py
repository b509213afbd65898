"""All that a report shows of a run: its figures, its history, and its answers on every image of the split."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.datasets.splits import require_split
from debias_pt.errors import BackboneError, DatasetError, DebiasWarning
from debias_pt.features.files.dataset import FeatureDataset
from debias_pt.groups.groups import Groups, group_name
from debias_pt.workflows.baselines import baseline_text, zero_shot_answers
from debias_pt.workflows.evaluate import Reopened, reopen
from debias_pt.workflows.run_folder import RunFolder
from debias_pt.workflows.source import load_source

BEFORE = ("erm", "zero-shot")  # what a run is compared with, the first that it has


@dataclass(frozen=True)
class Answers:
    """Answers on the N images of a split.

    Parameters
    ----------
    ids : tuple of str
    path : callable or None
        Gives where an image is by its id; None where there are features alone.
    groups : Groups
        That the report is by.
    predictions : ndarray of int, shape (R, N)
        Of each run.
    probabilities : ndarray of float, shape (N, K)
        The mean over runs: the one answer that ``predict`` gives.
    before : ndarray of int, shape (N,)
        The answers of what the run is compared with; its own if with nothing.
    """

    ids: tuple[str, ...]
    path: Callable[[str], str] | None
    groups: Groups
    predictions: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    before: NDArray[np.int64]

    @property
    def now(self) -> NDArray[np.int64]:
        """The one answer of all runs, shape ``(N,)``."""
        return np.asarray(self.probabilities.argmax(axis=1), dtype=np.int64)

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether it is right, shape ``(N,)``."""
        return np.asarray(self.now == self.groups.y)


@dataclass(frozen=True)
class RunEvidence:
    """What is known of a run.

    Parameters
    ----------
    run : RunFolder
    result : dict
        The fields of ``eval``.
    answers : Answers or None
        None where the data is not there any more; the figures are then those of training.
    """

    run: RunFolder
    result: dict[str, Any]
    answers: Answers | None

    @property
    def before(self) -> str:
        """Which baseline the run is compared with; empty if with none."""
        return next((name for name in BEFORE if name in self.result.get("baselines", {})), "")

    @property
    def before_text(self) -> str:
        """What that baseline is, in words."""
        if self.before == "erm":
            return baseline_text(self.run.config)
        return "the frozen model (zero-shot)"

    @property
    def baseline(self) -> dict[str, Any] | None:
        """Its figures."""
        return self.result["baselines"][self.before] if self.before else None

    @property
    def worst_name(self) -> str:
        """The name of the worst group."""
        worst = self.result["worst_group"]
        return group_name(worst["label"], worst["attribute"])

    @property
    def worst_index(self) -> int:
        """The number of the worst group among the answers' groups."""
        assert self.answers is not None
        worst = self.result["worst_group"]
        return self.answers.groups.labels.index((worst["label"], worst["attribute"] or ""))

    @property
    def image_intervals(self) -> dict[str, Any]:
        """Intervals over images; those of older runs are over seeds."""
        return dict(self.result.get("image_intervals", self.result["intervals"]))


def collect(run: RunFolder, split: str, **moved: Any) -> RunEvidence:
    """Evaluate a finished run as ``eval`` does, and keep its answers.

    Where data or model are gone and no other place is named, the figures are those the run was finished with.

    Raises
    ------
    DebiasError
        If the run is not finished, or what is found is not the run's.
    """
    require_split(split)
    try:
        reopened = reopen(run, **moved)
    except (DatasetError, BackboneError) as error:
        if any(value is not None for value in moved.values()) or run.result["split"] != split:
            raise
        text = f"{run.path}: figures as they were when it was trained, without images: {error}"
        warnings.warn(text, DebiasWarning, stacklevel=2)
        return RunEvidence(run, run.result, None)
    answers = answers_of(reopened, split)
    return RunEvidence(run, reopened.result(split, answers.predictions), answers)


def answers_of(reopened: Reopened, split: str) -> Answers:
    """Return a run's answers on a split."""
    prepared, tuner = reopened.job.prepared, reopened.tuner
    table = prepared.table.where(split)
    if reopened.erm is not None:
        before = reopened.erm.predict(table.features, ensemble=True)
    else:
        asked = zero_shot_answers(prepared, split)
        before = tuner.predict(table.features, ensemble=True) if asked is None else asked
    images = load_source(reopened.job.settings, check_counts=False, check_images=False)
    return Answers(
        table.ids,
        None if isinstance(images, FeatureDataset) else images.path,
        prepared.report_groups.rows(prepared.mask(split)),
        tuner.predict(table.features),
        tuner.predict_proba(table.features, ensemble=True),
        before,
    )
