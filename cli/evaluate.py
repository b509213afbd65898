"""``debias-pt eval``."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import Json, split_names


def evaluate(
    run: Annotated[str | None, typer.Argument(help="Run folder; default the newest under ./runs.")] = None,
    worst_group: Annotated[
        bool, typer.Option("--worst-group", help="Kept for scripts: groups are always shown.")
    ] = False,
    split: Annotated[str, typer.Option(help="train, val or test.", autocompletion=split_names)] = "test",
    csv: Annotated[str | None, typer.Option("--csv", help="Write one row per image of the split to this file.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Where your own folder or table is now, if it has moved.")] = None,
    data_root: Annotated[str | None, typer.Option(help="Where the data is now, if it has moved.")] = None,
    model: Annotated[str | None, typer.Option(help="Where the model is now, if it has moved.")] = None,
    pretrained: Annotated[str | None, typer.Option(help="Where the weights are now, if they have moved.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N; default the run's.")] = None,
    cache_dir: Annotated[str | None, typer.Option(help="Feature cache; default the run's.")] = None,
    as_json: Json = False,
) -> None:
    """Evaluate a finished run on a split."""
    from debias_pt.workflows.evaluate import evaluate as job

    from .output import print_json, print_report

    where = {"dataset": dataset, "data_root": data_root, "cache_dir": cache_dir}
    result = job(run, split=split, csv_path=csv, model=model, pretrained=pretrained, device=device, **where)
    if as_json:
        print_json(result)
        return
    print_report(result)
    if csv:
        print(f"written: {csv}")
