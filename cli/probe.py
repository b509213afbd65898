"""``debias-pt probe``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from debias_pt.settings import DataSettings

from .format import say
from .options import DatasetName, Json, with_settings


@with_settings(DataSettings, without=("dataset",))
def probe(
    dataset: DatasetName,
    csv: Annotated[str | None, typer.Option("--csv", help="Write one row per image to this file.")] = None,
    as_json: Json = False,
    *,
    given: dict[str, Any],
) -> None:
    """Ask the frozen model for the suspected attribute of every image."""
    from debias_pt.settings import resolve

    settings = resolve(DataSettings, given, {"dataset": dataset})  # wrong words are refused before torch comes

    from debias_pt.workflows.probe import probe as job

    from .format import data_name, print_json
    from .output import print_found, print_probe

    result = job(settings, csv_path=csv)
    if as_json:
        print_json(result)
        return
    print_found(result)
    for split, report in result["probe"].items():
        print_probe(f"{data_name(result)}, {split}", report)
    if csv:
        say(f"written: {csv}")
