"""``debias-pt train``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from debias_pt.settings import TrainSettings

from .options import DatasetName, Json, with_settings


@with_settings(TrainSettings, without=("dataset",))
def train(
    dataset: DatasetName,
    config: Annotated[str | None, typer.Option(help="Settings file (JSON), such as a run's config.json.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an unfinished run.")] = False,
    baselines: Annotated[
        bool,
        typer.Option(
            "--baselines/--no-baselines", help="Compare with zero-shot and with the same head without weights (erm)."
        ),
    ] = True,
    track: Annotated[
        list[str] | None,
        typer.Option(help="Tell a tracking library of every step: tensorboard, wandb, mlflow or trackio (repeatable)."),
    ] = None,
    as_json: Json = False,
    *,
    given: dict[str, Any],
) -> None:
    """Tune a debiased prompt and report accuracy by group."""
    settings = from_file(config, given, dataset)  # wrong words are refused before torch comes

    from debias_pt.workflows.train import train as job

    from .format import print_json
    from .output import print_report

    result = job(settings, resume=resume, baselines=baselines, track=track or ())
    print_json(result) if as_json else print_report(result)


def from_file(config: str | None, given: dict[str, Any], dataset: str) -> TrainSettings:
    """Return the settings of a file, with those that were typed over them."""
    from pathlib import Path

    from debias_pt.errors import UsageError
    from debias_pt.settings import resolve
    from debias_pt.utils.checked_json import without_checksum
    from debias_pt.utils.files import read_json

    file = read_json(Path(config)) if config else {}
    if not isinstance(file, dict):
        raise UsageError(f"{config}: holds no settings but a {type(file).__name__}; give a run's config.json")
    return resolve(TrainSettings, without_checksum(file, str(config), edited=True), given, {"dataset": dataset})
