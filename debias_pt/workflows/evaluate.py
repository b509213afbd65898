"""``debias-pt eval``: a finished run on a split, by group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from debias_pt.datasets.attributes import PseudoAttribute, TrueAttribute
from debias_pt.datasets.splits import require_split
from debias_pt.models.backbone import Backbone
from debias_pt.models.names import SCHEMAS
from debias_pt.settings import TrainSettings, resolve
from debias_pt.training.tuner import PromptTuner
from debias_pt.utils.files import require_writable, write_csv
from debias_pt.utils.fingerprint import require_match
from debias_pt.workflows.baselines import compare, erm_settings
from debias_pt.workflows.prepare import load_backbone, prepare
from debias_pt.workflows.probed_data import ProbedData
from debias_pt.workflows.report import report, warn_of_report
from debias_pt.workflows.run_folder import RunFolder, newest


def open_run(path: str | Path | None = None) -> RunFolder:
    """Return a run by its folder, or the newest finished one under ``./runs``.

    Parameters
    ----------
    path : str or Path, optional
        The run's folder.

    Raises
    ------
    RunError
        If there is none.

    Examples
    --------
    >>> open_run("runs/waterbirds-dpt-20260101-120000").report()   # doctest: +SKIP
    PosixPath('runs/waterbirds-dpt-20260101-120000/report.html')
    """
    return newest(finished=True) if path is None else RunFolder.open(Path(path))


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
    return resolve(TrainSettings, config, given)


Prompt = tuple[dict[str, Tensor], dict[str, Any]]  # what RunFolder.read_prompt returns


def require_same_model(run: RunFolder, prompt: Prompt, backbone: Backbone) -> None:
    """Raise if the model is not the one the prompt was learned with."""
    advice = "give the run's --model and --pretrained"
    require_match(prompt[1]["backbone"], backbone.fingerprint, str(run.path), advice)


def load_tuner(prompt: Prompt, settings: TrainSettings, backbone: Backbone) -> PromptTuner:
    """Rebuild a run's tuner on its backbone."""
    state, meta = prompt
    return PromptTuner(backbone, settings).load_head(meta["class_names"], state)


def load_run(
    path: str | Path | None = None,
    *,
    model: str | None = None,
    pretrained: str | None = None,
    device: str | None = None,
) -> PromptTuner:
    """Open a finished run.

    Parameters
    ----------
    path : str or Path, optional
        Its folder; default the newest finished run under ``./runs``.
    model, pretrained : str, optional
        Where the model is now, if it has moved.
    device : str, optional
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:N"``; default the run's.

    Returns
    -------
    PromptTuner
        Fitted: it predicts features, image files and images, and scores tables.

    Raises
    ------
    RunError
        If there is no such run, or it is not finished.
    FingerprintError
        If the model is not the run's.

    Examples
    --------
    >>> tuner = load_run("runs/waterbirds-dpt-20260101-120000")   # doctest: +SKIP
    >>> tuner.predict(["bird.jpg"], ensemble=True)                # doctest: +SKIP
    array([1])
    """
    run = open_run(path)
    prompt = run.read_prompt()
    settings = run_settings(run, {"model": model, "pretrained": pretrained, "device": device})
    backbone = load_backbone(settings)
    require_same_model(run, prompt, backbone)
    return with_origin(load_tuner(prompt, settings, backbone), run)


def with_origin(tuner: PromptTuner, run: RunFolder) -> PromptTuner:
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
    reopened = reopen(open_run(path), **moved)
    if csv_path is not None:
        write_predictions(reopened.prepared, reopened.tuner, split, Path(csv_path))
    result = {**reopened.result(split), "csv": csv_path}
    warn_of_report(result)
    return result


@dataclass(frozen=True)
class Reopened:
    """A finished run with its data.

    Parameters
    ----------
    run : RunFolder
    settings : TrainSettings
        The run's, updated with what has moved.
    prepared : ProbedData
    tuner : PromptTuner
    erm : PromptTuner or None
        Plain prompt tuning, if the run was compared with it.
    """

    run: RunFolder
    settings: TrainSettings
    prepared: ProbedData
    tuner: PromptTuner
    erm: PromptTuner | None

    def result(self, split: str) -> dict[str, Any]:
        """Return the fields of ``eval`` for a split."""
        result = report(self.settings, self.prepared, self.tuner, split)
        trained = self.run.result
        if "baselines" in trained:
            result |= compare(self.settings, self.prepared, self.tuner, self.erm, split)
        kept: dict[str, Any] = {
            name: trained[name] for name in ("selected_steps", "steps", "inferred", "discovery") if name in trained
        }
        return {**result, **kept, "run": str(self.run.path)}


def reopen(run: RunFolder, **moved: Any) -> Reopened:
    """Load a finished run's model, data and what it learned.

    Raises
    ------
    DebiasError
        If it is not finished, or model or data are not those of the run.
    """
    prompt = run.read_prompt()
    settings = run_settings(run, moved)
    prepared = prepare(settings, lambda backbone: require_same_model(run, prompt, backbone))
    require_same_data(run, prepared)
    tuner = load_tuner(prompt, settings, prepared.backbone)
    state = run.read_baseline()
    erm = None if state is None else load_tuner((state, prompt[1]), erm_settings(settings), prepared.backbone)
    return Reopened(run, settings, prepared, tuner, erm)


def write_predictions(prepared: ProbedData, tuner: PromptTuner, split: str, path: Path) -> None:
    """Write one line per image of a split.

    Columns: id, split, label (the true class); the predicted class, whether that is correct, its probability
    (the mean over seeds, if there are several); in ``groups_from`` whether the report is by annotated
    attributes (true), the probe's (pseudo) or classes alone (class); for every annotated attribute that it
    is by its value; in ``NAME_probe`` what the probe answers.
    """
    table, chosen = prepared.table, np.flatnonzero(prepared.rows(split))
    probabilities = tuner.predict_proba(table.features[chosen]).mean(axis=0)
    shown: list[TrueAttribute | PseudoAttribute] = [*prepared.benchmark.values(), *prepared.answers]
    rows = []
    for row, p in zip(chosen, probabilities, strict=True):
        label, predicted = table.class_names[table.y[row]], table.class_names[p.argmax()]
        answer = [label, predicted, int(label == predicted), f"{p.max():.6f}", prepared.report_groups.source]
        rows.append([table.ids[row], split, *answer, *(one.values[one.labels[row]] for one in shown)])
    names = [*prepared.benchmark, *(f"{one.name}_probe" for one in prepared.answers)]
    write_csv(path, ["id", "split", "label", "predicted", "correct", "probability", "groups_from", *names], rows)


def require_same_data(run: RunFolder, prepared: ProbedData) -> None:
    """Raise if the data is not what the run was trained on."""
    found, wanted = run.facts["data"], prepared.table.data_fingerprint()
    require_match(found, wanted, f"{run.path}, data", "give the run's --data-root, or --dataset for your own data")
