"""From Python what the command line does: train, and what a run on disk has to say."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.datasets.attributes import Attribute
from debias_pt.features.table import FeatureTable
from debias_pt.groups.groups import Groups
from debias_pt.reports.build import write_report
from debias_pt.settings import TrainSettings, resolve
from debias_pt.training.callbacks import Callback
from debias_pt.training.inputs import Inputs
from debias_pt.training.tuner import Tuner
from debias_pt.workflows.evaluate import Reopened, evaluate, open_tuner, reopen
from debias_pt.workflows.job import make_job
from debias_pt.workflows.run_folder import RunFolder, find_run
from debias_pt.workflows.train import train as train_command


class Run:
    """A finished run: its figures, its tuner, its data, its report.

    Model and data are loaded when they are first needed.

    Parameters
    ----------
    folder : RunFolder
    **moved
        Where data and model are now, if they have moved: dataset (a custom one), data_root, model, pretrained, device,
        cache_dir.

    Examples
    --------
    >>> run = train("waterbirds-mini", method="dpt")                  # doctest: +SKIP
    >>> run.result["worst_group_accuracy"]                            # doctest: +SKIP
    0.66
    >>> run.predict(["bird.jpg"])                                     # doctest: +SKIP
    array(['waterbird'], dtype='<U9')
    >>> run.report("report.html")                                     # doctest: +SKIP
    PosixPath('report.html')
    """

    def __init__(self, folder: RunFolder, **moved: Any) -> None:
        self.folder, self._moved = folder, moved

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self.folder.path

    @property
    def finished(self) -> bool:
        """Whether the run has a result."""
        return self.folder.finished

    @property
    def config(self) -> dict[str, Any]:
        """All settings, as in ``config.json``."""
        return self.folder.config

    @property
    def result(self) -> dict[str, Any]:
        """The figures, as in ``result.json``."""
        return self.folder.result

    @property
    def parts(self) -> dict[str, Any]:
        """What the fit is made of; see :func:`debias_pt.methods.parts`. Empty for a run of an older version."""
        return dict(self.result.get("parts", {}))

    def history(self) -> list[dict[str, Any]]:
        """Return one row per step."""
        return self.folder.history()

    @cached_property
    def tuner(self) -> Tuner:
        """What was learned, on its model: it predicts images and features, and scores tables."""
        return open_tuner(self.folder, **self._moved)

    @cached_property
    def _reopened(self) -> Reopened:
        return reopen(self.folder, **self._moved)

    @property
    def table(self) -> FeatureTable:
        """The features of all splits."""
        return self._reopened.job.prepared.table

    @cached_property
    def groups(self) -> Groups:
        """The groups of all rows that the method fits with, made anew from the run's data."""
        job = self._reopened.job
        return make_job(job.settings, job.prepared, job.verdicts).groups

    def predict(self, inputs: Inputs) -> NDArray[np.str_]:
        """Return the class name of each image; several seeds vote by their mean probability.

        Parameters
        ----------
        inputs : Inputs
            An image file or a list of them, a folder, images at hand in Python, or unit features ``(N, D)``.

        Returns
        -------
        ndarray of str, shape (N,)
        """
        return np.array(self.tuner.class_names_)[self.tuner.predict(inputs, ensemble=True)]

    def evaluate(self, split: str = "test", *, csv_path: str | None = None) -> dict[str, Any]:
        """Return accuracy by group on a split, as ``debias-pt eval`` does."""
        return evaluate(str(self.path), split=split, csv_path=csv_path, **self._moved)

    def report(self, out: str | Path | None = None, *, images: bool = True, split: str = "test", **moved: Any) -> Path:
        """Write the run as one HTML page, as ``debias-pt report`` does.

        Parameters
        ----------
        out : str or Path, optional
            The file; default ``report.html`` in the run's folder.
        images : bool
            Show sample images.
        split : str
            ``"train"``, ``"val"`` or ``"test"``.
        **moved
            Where data and model are now, if they have moved.

        Returns
        -------
        Path
            The page.
        """
        file = None if out is None else str(out)
        where = {**self._moved, **moved}
        return Path(write_report([str(self.path)], out=file, images=images, split=split, **where)["out"])


def train(
    dataset: str | Path,
    *,
    resume: bool = False,
    baselines: bool = True,
    track: Sequence[str] = (),
    callbacks: Sequence[Callback] = (),
    **settings: Any,
) -> Run:
    """Train on a data set, exactly as ``debias-pt train`` does, and return the run.

    Parameters
    ----------
    dataset : str or Path
        A name (``debias-pt data list``), a folder of images, a table, or tar shards.
    resume : bool
        Continue the run in ``out``, or the newest unfinished one with these settings.
    baselines : bool
        Also report the zero-shot model, and the same head without group weights.
    track : sequence of str
        Tracking libraries to tell of every step.
    callbacks : sequence of Callback
        Called as the fit goes on.
    **settings
        Any option of the command by its name, ``method="auto"``, ``seeds=3``, ``attribute="place=land:water"`` (or an
        :class:`~debias_pt.Attribute`, or several in a list), ``method_options={"eta": 3}``; see
        :class:`debias_pt.settings.TrainSettings`.

    Returns
    -------
    Run

    Raises
    ------
    DebiasError
        One line: what was wrong, the value seen, what to do.

    Examples
    --------
    >>> run = train("photos/", attribute="place=indoors:outdoors", method="auto")     # doctest: +SKIP
    >>> print(run.parts["method"], run.result["worst_group_accuracy"])                # doctest: +SKIP
    anchored 0.91
    """
    if "attribute" in settings:
        settings["attribute"] = _in_words(settings["attribute"])
    resolved = resolve(TrainSettings, settings, {"dataset": str(dataset)})
    result = train_command(resolved, resume=resume, baselines=baselines, track=track, callbacks=callbacks)
    return Run(RunFolder.open(Path(result["run"])))


def _in_words(given: str | Attribute | Sequence[str | Attribute]) -> tuple[str, ...]:
    several = [given] if isinstance(given, str | Attribute) else list(given)
    return tuple(one.in_words() if isinstance(one, Attribute) else one for one in several)


def open_run(path: str | Path | None = None, **moved: Any) -> Run:
    """Open a finished run.

    Parameters
    ----------
    path : str or Path, optional
        Its folder; default the newest finished run under ``./runs``.
    **moved
        Where data and model are now, if they have moved: data_root, model, pretrained, device, ...

    Returns
    -------
    Run

    Raises
    ------
    RunError
        If there is no such run.

    Examples
    --------
    >>> run = open_run("runs/waterbirds-dpt-20260101-120000")      # doctest: +SKIP
    >>> run.tuner.class_weights_.shape                             # doctest: +SKIP
    (1, 2, 512)
    """
    return Run(find_run(path), **moved)


def load_run(path: str | Path | None = None, **moved: Any) -> Tuner:
    """Return a run's tuner: the old spelling of ``open_run(path).tuner``, which goes with the next version.

    Parameters
    ----------
    path : str or Path, optional
        The run's folder; default the newest finished run under ``./runs``.
    **moved
        As for :func:`open_run`.

    Warns
    -----
    DeprecationWarning
        Always; names the new spelling.

    Examples
    --------
    >>> tuner = open_run("runs/waterbirds-dpt-20260101-120000").tuner   # doctest: +SKIP
    """
    warnings.warn("load_run(path) is now open_run(path).tuner", DeprecationWarning, stacklevel=2)
    return open_run(path, **moved).tuner
