"""``debias-pt train``: the main job, from images to a debiased prompt and its per-group table."""

from __future__ import annotations

import dataclasses
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from debias_pt.datasets import DATASETS
from debias_pt.errors import DebiasWarning, NonFiniteError, RunError, UsageError
from debias_pt.methods.composition import method_of
from debias_pt.models.backbone import Backbone
from debias_pt.models.names import absolute
from debias_pt.settings import TrainSettings
from debias_pt.training.callbacks import Callback
from debias_pt.training.loop import Training
from debias_pt.training.trackers import TRACKERS
from debias_pt.training.trackers.base import require_trackers
from debias_pt.training.tuner import Tuner
from debias_pt.utils.files import write_csv
from debias_pt.utils.fingerprint import require_match
from debias_pt.utils.stores.addresses import absolute_place
from debias_pt.workflows.baselines import compare, erm_settings
from debias_pt.workflows.discovery.auto_attribute import with_found_attribute
from debias_pt.workflows.job import Job, check_settings, choose_method, make_job
from debias_pt.workflows.prepare import prepare
from debias_pt.workflows.prepared import Prepared
from debias_pt.workflows.report import facts, report, warn_of_report
from debias_pt.workflows.run_folder import RunFolder, fixed, new_path, newest, with_probe


def train(
    settings: TrainSettings,
    *,
    resume: bool = False,
    baselines: bool = True,
    track: Sequence[str] = (),
    callbacks: Sequence[Callback] = (),
) -> dict[str, Any]:
    """Train a prompt in a run folder and report on a split.

    Parameters
    ----------
    settings : TrainSettings
        Everything.
    resume : bool
        Continue the run in ``settings.out``, or the newest unfinished one with these settings.
    baselines : bool
        Also report the zero-shot model and the same head without group weights (``erm``), a second fit of the same
        cost.
    track : sequence of str
        Tracking libraries to tell of every step, of ``TRACKERS``.
    callbacks : sequence of Callback
        Called as the method's fit goes on.

    Returns
    -------
    dict
        The result, as in the run's ``result.json``.

    Raises
    ------
    DebiasError
        One line: what was wrong, the value seen, what to do.
    """
    require_trackers(track)
    if settings.out and not resume:
        RunFolder.require_free(Path(settings.out))
    settings, discovery = with_found_attribute(settings)
    prepared, chosen = None, None
    settings = check_train(settings)
    if method_of(settings).choose is not None:
        prepared = prepare(settings)
        chosen = choose_method(settings, prepared)
        settings = chosen.settings
        if discovery and discovery["attribute"] is None:
            discovery = {**discovery, "instead": settings.method}
    config = portable(settings)
    run = open_unfinished(settings, config) if resume else None
    if run is not None and run.finished:
        return finished_result(run, settings)

    def same_model(backbone: Backbone) -> None:
        if run is not None:
            run.require_backbone(backbone.fingerprint)

    if prepared is None:
        prepared = prepare(settings, same_model)
    else:  # the guard has looked at these very data
        same_model(prepared.backbone)
    job = (
        make_job(settings, prepared, chosen.verdicts, chosen.why, chosen.inferred)
        if chosen
        else make_job(settings, prepared)
    )
    if run is None:
        path = Path(settings.out) if settings.out else new_path(settings.dataset, settings.method)
        run = RunFolder.create(path, config)
    trackers = [TRACKERS[name](run.path, config) for name in track]
    with run.writing():
        try:
            told = [*callbacks, *trackers]
            result = train_in(run, job, baselines=baselines, discovery=discovery, callbacks=told)
        finally:
            for tracker in trackers:
                tracker.finish()
    warn_of_report(result)
    return result


def train_in(
    run: RunFolder,
    job: Job,
    *,
    baselines: bool = True,
    discovery: Mapping[str, Any] | None = None,
    callbacks: Sequence[Callback] = (),
) -> dict[str, Any]:
    """Train in a run folder, from its checkpoint if it has one, and write the result.

    The baseline is fitted after the method itself, which it leaves as it would be without one, bit by bit. Where the
    attribute was found rather than named, `discovery` goes into the result.
    """
    settings, prepared = job.settings, job.prepared
    run.write_facts(facts(job))
    write_records(run, prepared)
    start = time.perf_counter()
    tuner = fit(job, run, callbacks)
    seconds = time.perf_counter() - start
    features = prepared.table.where(settings.split).features
    answers = tuner.predict(features)
    result = report(job, answers, tuner.seeds, settings.split)
    if baselines:
        erm = fit_erm(job)
        if erm is not None:
            run.write_baseline(erm.head_.state_dict())
        by_erm = erm.predict(features) if erm is not None else None
        result |= compare(settings, prepared, answers, by_erm, tuner.seeds, settings.split)
    if tuner.inferred_:
        result["inferred"] = tuner.inferred_
    if job.inferred is not None and job.inferred.verdict is not None:  # whether they are used or not
        result["inferred_verdict"] = job.inferred.verdict.to_dict()
    result |= {
        "skipped_images": len(prepared.stats.skipped),
        "selected_steps": tuner.selected_steps_,
        "steps": settings.steps,
        "seconds": {
            "encode": prepared.stats.seconds,
            "fit": seconds,
            "baselines": time.perf_counter() - start - seconds,
        },
        "run": str(run.path),
        **({"discovery": dict(discovery)} if discovery else {}),
        "finished": time.time(),
    }
    meta = {
        "class_names": list(tuner.class_names_),
        "seeds": list(tuner.seeds),
        "backbone": prepared.backbone.fingerprint,
    }
    if prepared.refined:
        run.write_probe(prepared.refined.state_dict())
    run.finish(tuner.head_.state_dict(), meta, result)
    return result


def write_records(run: RunFolder, prepared: Prepared) -> None:
    """Write which images were left out and why, and the split of every image if splits were drawn."""
    if prepared.stats.skipped:
        write_csv(run.path / "skipped.csv", ["id", "reason"], prepared.stats.skipped.items())
    if prepared.split_rule.get("drawn"):
        table = prepared.table
        rows = zip(table.ids, table.split.tolist(), table.y.tolist(), strict=True)
        write_csv(
            run.path / "splits.csv",
            ["id", "split", "label"],
            [(name, part, table.class_names[k]) for name, part, k in rows],
        )


def finished_result(run: RunFolder, settings: TrainSettings) -> dict[str, Any]:
    """Return a finished run's result.

    Raises
    ------
    RunError
        If it is of another split.
    """
    result = run.result
    if result["split"] != settings.split:
        raise RunError(
            f"{run.path}: finished, its result is of the {result['split']!r} split; for another: "
            f"debias-pt eval {run.path} --split {settings.split}"
        )
    return result


def check_train(settings: TrainSettings) -> TrainSettings:
    """Complete settings, and refuse what cannot work before anything slow begins."""
    settings = check_settings(settings)
    if settings.steps < 1:
        raise UsageError(f"steps is {settings.steps}: nothing would be learned; give 1 or more")
    return settings


def portable(settings: TrainSettings) -> dict[str, Any]:
    """Return the settings as JSON, with absolute paths."""
    config = dataclasses.asdict(settings)
    del config["out"]  # the folder itself
    for name in ("data_root", "cache_dir", "image_root", "words"):
        if config[name] is not None:
            config[name] = absolute_place(config[name])
    if settings.dataset not in DATASETS:
        config["dataset"] = absolute_place(settings.dataset)
    config["model"], config["pretrained"] = absolute(settings.model, settings.pretrained)
    return config


def open_unfinished(settings: TrainSettings, config: dict[str, Any]) -> RunFolder:
    """Return the run to continue.

    Raises
    ------
    RunError
        If there is none.
    FingerprintError
        If it was started with other settings.
    """
    if settings.out is None:
        return newest(finished=False, matching=config)
    run = RunFolder.open(Path(settings.out))
    advice = f"resume with the same settings: --config {run.path / 'config.json'}"
    require_match(fixed(with_probe(run.config)), fixed(config), str(run.path), advice)
    return run


def fit(job: Job, run: RunFolder | None, callbacks: Sequence[Callback] = ()) -> Tuner:
    """Fit the tuner that a job describes, with checkpoints if there is a run to put them in."""
    tuner = Tuner(job.prepared.backbone, job.settings)
    checkpoints = Checkpoints(run, job.settings.checkpoint_every)
    told = [*callbacks, checkpoints]
    try:
        return tuner.fit(job.prepared.table, job.groups, validation_groups=job.validation_groups, callbacks=told)
    finally:  # keep what led to a divergence; resuming drops it
        checkpoints.write_history()


def fit_erm(job: Job) -> Tuner | None:
    """Fit the same head without group weights, with the same budget; None if the method is that, or if it diverges."""
    plain = erm_settings(job.settings)
    if job.settings.method == plain.method:
        return None
    try:
        return fit(make_job(plain, job.prepared, {}), None)
    except NonFiniteError as error:
        warnings.warn(f"the baseline {plain.method} is left out: {error}", DebiasWarning, stacklevel=2)
        return None


class Checkpoints(Callback):
    """Loads a run's checkpoint into a training, and writes the next ones.

    Parameters
    ----------
    run : RunFolder or None
        Where they are kept, if anywhere.
    every : int
        Steps between them.
    """

    def __init__(self, run: RunFolder | None, every: int) -> None:
        self.run, self.every = run, every
        self.training: Training | None = None

    def on_start(self, training: Training) -> None:
        """Go on from the checkpoint, if there is one."""
        self.training = training
        if self.run is None:
            return
        state = self.run.read_checkpoint()
        if state is not None:
            training.load_state_dict(state)
        self.run.trim_history(training.step_)

    def on_step(self, training: Training) -> None:
        """Write a checkpoint when it is time."""
        if self.run is not None and (training.step_ % self.every == 0 or training.step_ == training.settings.steps):
            self.write_history()
            self.run.write_checkpoint(training.state_dict())

    def write_history(self) -> None:
        """Write the steps' figures that are not yet written."""
        if self.run is not None and self.training is not None:
            history = self.training.run_groups[0].history_
            self.run.append_history(history)
            history.clear()
