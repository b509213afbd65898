"""``debias-pt eval``: a finished run on a split, by group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from debias_pt.datasets.attributes import PseudoAttribute, TrueAttribute
from debias_pt.datasets.splits import require_split
from debias_pt.groups.groups import Groups
from debias_pt.groups.verdict import Verdict
from debias_pt.methods.composition import fill, parts
from debias_pt.models.backbone import Backbone
from debias_pt.models.feature_backbone import FeatureBackbone, is_without_model, require_maker
from debias_pt.models.names import SCHEMAS
from debias_pt.models.words import read_words
from debias_pt.settings import TrainSettings, resolve
from debias_pt.training.tuner import Tuner
from debias_pt.utils.files import require_writable, write_csv
from debias_pt.utils.fingerprint import require_match
from debias_pt.workflows.baselines import compare, erm_settings
from debias_pt.workflows.job import Job, first_groups
from debias_pt.workflows.prepare import load_named, names_model, prepare
from debias_pt.workflows.prepared import Prepared
from debias_pt.workflows.report import report, warn_of_report
from debias_pt.workflows.run_folder import RunFolder, find_run


def run_settings(run: RunFolder, moved: Mapping[str, Any]) -> TrainSettings:
    """Return a run's settings, updated with what has moved; entries that are None have not.

    A run may come from somebody else: it starts no download, and names no cache that is not there.
    """
    given = {name: value for name, value in moved.items() if value is not None}
    for name, other in (("model", "pretrained"), ("pretrained", "model")):
        if str(given.get(name, "")).startswith(SCHEMAS):  # such a checkpoint is both
            given.setdefault(other, None)
    config = {**run.config, "download": False}
    cache = config.get("cache_dir")
    if not (isinstance(cache, str) and Path(cache, "features").is_dir()):
        config["cache_dir"] = None
    return fill(resolve(TrainSettings, config, given))


Prompt = tuple[dict[str, Tensor], dict[str, Any]]  # what RunFolder.read_prompt returns


def require_same_model(run: RunFolder, prompt: Prompt, backbone: Backbone) -> None:
    """Raise if the model is not the one the prompt was learned with, or that made the features it was learned from."""
    known = prompt[1]["backbone"]
    if is_without_model(known) and not isinstance(backbone, FeatureBackbone):
        require_maker(known, known["features"], backbone, str(run.path))
        return
    advice = "give the run's --model and --pretrained"
    require_match(prompt[1]["backbone"], backbone.fingerprint, str(run.path), advice)


def run_backbone(run: RunFolder, prompt: Prompt, settings: TrainSettings) -> Backbone:
    """Load a run's model, which may have moved; for a run on features what stands for one, unless a model is named.

    Raises
    ------
    FingerprintError
        If the model is not the run's.
    """
    known = prompt[1]["backbone"]
    of_features = is_without_model(known) and not names_model(settings)
    backbone = features_of(prompt, settings) if of_features else load_named(settings)
    require_same_model(run, prompt, backbone)
    return backbone


def features_of(prompt: Prompt, settings: TrainSettings) -> FeatureBackbone:
    """Return what stands for the model of a run on features."""
    known = prompt[1]["backbone"]
    words = None if settings.words is None else read_words(settings.words)
    return FeatureBackbone(known["features"], words=words, made_by=known["made_by"], device=settings.device)


def load_tuner(prompt: Prompt, settings: TrainSettings, backbone: Backbone) -> Tuner:
    """Rebuild a run's tuner on its backbone."""
    state, meta = prompt
    return Tuner.reopened(backbone, settings, meta["class_names"], state)


def open_tuner(folder: RunFolder, **moved: Any) -> Tuner:
    """Return a finished run's tuner, without its data.

    Raises
    ------
    RunError
        If the run is not finished.
    FingerprintError
        If the model is not the run's.
    """
    prompt = folder.read_prompt()
    settings = run_settings(folder, moved)
    return with_origin(load_tuner(prompt, settings, run_backbone(folder, prompt, settings)), folder)


def with_origin(tuner: Tuner, run: RunFolder) -> Tuner:
    """Tell a run's tuner what it was fitted to and whether it is an oracle, for when it is saved or exported."""
    tuner.data_, tuner._oracle = run.result["dataset"], run.result["oracle"]
    return tuner


def origin(run: RunFolder) -> dict[str, Any]:
    """Return what every output says about a finished run, above all whether it is synthetic or an oracle."""
    result = run.result
    names = ("dataset", "synthetic", "method", "oracle", "attribute_labels_used")
    return {**{name: result[name] for name in names}, "dataset_path": result.get("dataset_path")}


def evaluate(
    path: str | None = None, *, split: str = "test", csv_path: str | None = None, **moved: Any
) -> dict[str, Any]:
    """Evaluate a finished run.

    Parameters
    ----------
    path : str, optional
        Its folder; default the newest finished run under ``./runs``.
    split : str
        ``"train"``, ``"val"`` or ``"test"``.
    csv_path : str, optional
        Where to write one row per image of the split; see :func:`write_predictions`.
    **moved
        Where data and model are now, if they have moved: dataset (a custom one), data_root, model,
        pretrained, device, cache_dir, ...

    Raises
    ------
    DebiasError
        If there is no finished run, or model or data are not those of the run.
    """
    require_split(split)
    if csv_path is not None:
        require_writable(Path(csv_path), "--csv")
    reopened = reopen(find_run(path), **moved)
    if csv_path is not None:
        write_predictions(reopened.job.prepared, reopened.tuner, split, Path(csv_path))
    result = {**reopened.result(split), "csv": csv_path}
    warn_of_report(result)
    return result


@dataclass(frozen=True, eq=False)
class Reopened:
    """A finished run with its data.

    Parameters
    ----------
    folder : RunFolder
    job : Job
        The run's settings, updated with what has moved, and its data.
    tuner : Tuner
    erm : Tuner or None
        The same head without group weights, if the run was compared with it.
    """

    folder: RunFolder
    job: Job
    tuner: Tuner
    erm: Tuner | None

    def result(self, split: str, predictions: NDArray[np.int64] | None = None) -> dict[str, Any]:
        """Return the fields of ``eval`` for a split; `predictions` ``(R, N)`` on it, if they are known."""
        features = self.job.prepared.table.where(split).features
        answers = self.tuner.predict(features) if predictions is None else predictions
        result = report(self.job, answers, self.tuner.seeds, split)
        trained = self.folder.result
        if "baselines" in trained:
            erm = self.erm.predict(features) if self.erm else None
            result |= compare(self.job.settings, self.job.prepared, answers, erm, self.tuner.seeds, split)
        kept: dict[str, Any] = {
            name: trained[name] for name in ("selected_steps", "steps", "inferred", "discovery") if name in trained
        }
        made_of = trained.get("parts") or parts(self.job.settings)  # older runs do not say
        return {**result, **kept, "parts": made_of, "run": str(self.folder.path)}


def reopen(folder: RunFolder, **moved: Any) -> Reopened:
    """Load a finished run's model, data and what it learned.

    Raises
    ------
    DebiasError
        If it is not finished, or model or data are not those of the run.
    """
    prompt = folder.read_prompt()
    settings = run_settings(folder, moved)
    prepared = prepare(settings, lambda backbone: require_same_model(folder, prompt, backbone))
    require_same_data(folder, prepared)
    tuner = load_tuner(prompt, settings, prepared.backbone)
    state = folder.read_baseline()
    erm = None if state is None else load_tuner((state, prompt[1]), erm_settings(settings), prepared.backbone)
    return Reopened(folder, finished_job(folder, settings, prepared), tuner, erm)


def finished_job(folder: RunFolder, settings: TrainSettings, prepared: Prepared) -> Job:
    """Return the job of a finished run; nothing is inferred anew, and the guard's verdicts are those of the run."""
    table = prepared.table
    first = first_groups(settings, prepared) or Groups.by_class(table.y, table.class_names)
    judged = folder.facts.get("probe", {}).get("guard", {}).get("attributes", {})
    verdicts = {name: Verdict(**{**one, "reasons": tuple(one["reasons"])}) for name, one in judged.items()}
    return Job(settings, prepared, first, first, first, verdicts)


def write_predictions(prepared: Prepared, tuner: Tuner, split: str, path: Path) -> None:
    """Write one line per image of a split.

    Columns: id, split, label (the true class); the predicted class, whether that is correct, its probability
    (the mean over seeds, if there are several); in ``groups_from`` whether the report is by annotated
    attributes (true), the probe's (pseudo) or classes alone (class); for every annotated attribute that it
    is by its value; in ``NAME_probe`` what the probe answers.
    """
    table, chosen = prepared.table, np.flatnonzero(prepared.mask(split))
    probabilities = tuner.predict_proba(table.features[chosen]).mean(axis=0)
    shown: list[TrueAttribute | PseudoAttribute] = [*prepared.benchmark.values(), *prepared.answers]
    rows = []
    for row, p in zip(chosen, probabilities, strict=True):
        label, predicted = table.class_names[table.y[row]], table.class_names[p.argmax()]
        answer = [label, predicted, int(label == predicted), f"{p.max():.6f}", prepared.report_groups.source]
        rows.append([table.ids[row], split, *answer, *(one.values[one.labels[row]] for one in shown)])
    names = [*prepared.benchmark, *(f"{one.name}_probe" for one in prepared.answers)]
    write_csv(path, ["id", "split", "label", "predicted", "correct", "probability", "groups_from", *names], rows)


def require_same_data(run: RunFolder, prepared: Prepared) -> None:
    """Raise if the data is not what the run was trained on."""
    found, wanted = run.facts["data"], prepared.table.data_fingerprint()
    require_match(found, wanted, f"{run.path}, data", "give the run's --data-root, or --dataset for your own data")
