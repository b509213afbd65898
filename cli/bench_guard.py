"""``debias-pt bench guard``: the verdicts on real words beside those on nonsense."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from debias_pt.settings import DataSettings

from .options import DatasetName, Json, names_in, with_settings


@with_settings(DataSettings, without=("dataset", "probe"))
def guard(
    dataset: DatasetName,
    leave_out: Annotated[str, typer.Option(help="Nonsense that is none here, by name, joined by commas: pets.")] = "",
    as_json: Json = False,
    *,
    given: dict[str, Any],
) -> None:
    """Judge a data set's suspected attribute beside twenty that say nothing of its images."""
    from debias_pt.benchmarks.group_robustness.nonsense import check_guard, table
    from debias_pt.settings import resolve

    from .output import data_name, print_json, print_table

    result = check_guard(resolve(DataSettings, given, {"dataset": dataset}), tuple(names_in(leave_out)))
    if as_json:
        print_json(result)
        return
    header, lines = table(result)
    print_table(header, lines, title=f"{data_name(result)}, training images, {result['model']}")
    for kind, counts in result["counts"].items():
        print(f"{kind} words: " + ", ".join(f"{n} {verdict}" for verdict, n in counts.items()))
