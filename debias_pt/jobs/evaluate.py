"""``debias-pt eval``: a finished run on a split, by group."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from debias_pt.backbone import SCHEMAS, Backbone
from debias_pt.features import require_split
from debias_pt.fingerprint import require_match
from debias_pt.jobs.prepare import Prepared, prepare
from debias_pt.jobs.report import report
from debias_pt.runs import RunFolder, newest
from debias_pt.settings import TrainSettings, resolve
from debias_pt.tuner import PromptTuner


def open_run(path: str | None) -> RunFolder:
    """Return a run by its folder, or the newest finished one under ``./runs``."""
    return newest(finished=True) if path is None else RunFolder.open(Path(path))


def run_settings(run: RunFolder, moved: Mapping[str, Any]) -> TrainSettings:
    """Return a run's settings, with what may have moved since; entries that are None have not."""
    given = {name: value for name, value in moved.items() if value is not None}
    for name, other in (("model", "pretrained"), ("pretrained", "model")):
        if str(given.get(name, "")).startswith(SCHEMAS):  # such a checkpoint is both
            given.setdefault(other, None)
    return resolve(TrainSettings, run.config, given)


Prompt = tuple[dict[str, Tensor], dict[str, Any]]  # what RunFolder.read_prompt returns


def require_same_model(run: RunFolder, prompt: Prompt, backbone: Backbone) -> None:
    """Refuse another model than the one the prompt was learned with."""
    advice = "give --model and --pretrained of the run"
    require_match(prompt[1]["backbone"], backbone.fingerprint, str(run.path), advice)


def load_tuner(prompt: Prompt, settings: TrainSettings, backbone: Backbone) -> PromptTuner:
    """Rebuild a run's tuner on its backbone."""
    state, meta = prompt
    return PromptTuner(backbone, settings).load_head(meta["class_names"], state)


def evaluate(path: str | None = None, *, split: str = "test", **moved: Any) -> dict[str, Any]:
    """Evaluate a finished run.

    Parameters
    ----------
    path : str, optional
        Its folder; default the newest finished run under ``./runs``.
    split : str
        ``"train"``, ``"val"`` or ``"test"``.
    **moved
        Where data and model are now, if they have moved: data_root, model, pretrained, device, cache_dir, ...

    Raises
    ------
    DebiasError
        If there is no finished run, or model or data are not those of the run.
    """
    require_split(split)
    run = open_run(path)
    prompt = run.read_prompt()
    settings = run_settings(run, moved)
    prepared = prepare(settings, lambda backbone: require_same_model(run, prompt, backbone))
    require_same_data(run, prepared)
    tuner = load_tuner(prompt, settings, prepared.backbone)
    return {**report(settings, prepared, tuner, split), "run": str(run.path)}


def require_same_data(run: RunFolder, prepared: Prepared) -> None:
    """Refuse data that is not what the run was trained on."""
    found, wanted = run.facts["data"], prepared.table.data_fingerprint()
    require_match(found, wanted, f"{run.path}, data", "give the --data-root of the run")
