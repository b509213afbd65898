"""``debias-pt tune``."""

from __future__ import annotations

import shlex
from typing import Annotated, Any

import typer

from debias_pt.settings import TrainSettings

from .options import DatasetName, Engine, Json, require_engine, with_settings


@with_settings(TrainSettings, without=("dataset", "fit_on", "split", "checkpoint_every"))
def tune(
    dataset: DatasetName,
    config: Annotated[str | None, typer.Option(help="Settings file (JSON) to begin with, such as a run's.")] = None,
    trials: Annotated[int, typer.Option(help="Fits in all; a search in the same --out continues.")] = 20,
    objective: Annotated[
        str,
        typer.Option(help="On validation: pseudo-confidence, pseudo-wga, average-accuracy, or true-wga (an oracle)."),
    ] = "pseudo-confidence",
    search: Annotated[
        list[str] | None,
        typer.Option(help="What to search over: NAME=A,B,C or NAME=LOW:HIGH[:log] (repeatable); default the method's."),
    ] = None,
    engine: Engine = None,
    as_json: Json = False,
    *,
    given: dict[str, Any],
) -> None:
    """Search over settings of train, judged on validation rows without attribute labels."""
    from .train import from_file

    settings = from_file(config, given, dataset)  # wrong words are refused before torch comes

    if engine is not None:
        require_engine(engine)
    from debias_pt.workflows.tune import tune as job

    from .format import print_json

    result = job(settings, trials=trials, objective=objective, space=search or (), engine=engine)
    print_json(result) if as_json else print_search(result)


def print_search(result: dict[str, Any]) -> None:
    """Print the best settings, and the command that trains with them."""
    from .format import data_name, print_table, say

    labels = (
        "ORACLE: it reads annotated attributes of validation rows" if result["oracle"] else "no attribute label is read"
    )
    say(f"{data_name(result)}, {result['model']}, {result['method']}: {result['objective']} on validation ({labels})")
    print_table(["", result["objective"]], [
        ["settings to begin with", f"{result['default_score']:.4f}"],
        [f"best of {len(result['trials'])} trials", f"{result['score']:.4f}"],
    ])  # fmt: skip
    best = ", ".join(f"{name} {value}" for name, value in result["best"].items())
    say(best or "no trial was better than the settings to begin with")
    say(f"debias-pt train {shlex.quote(result['dataset'])} --config {shlex.quote(result['config'])}")
