"""``debias-pt bench``: the benchmark suites."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from debias_pt.settings import TrainSettings

from .options import DatasetName, Json, with_settings

PER_ROW = ("method", "groups", "eta", "ema", "refresh", "normalize")

app = typer.Typer(help="Run a benchmark suite.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def bench() -> None:
    """Run a benchmark suite."""


@app.command("group-robustness")
@with_settings(TrainSettings, without=(*PER_ROW, "dataset", "out", "checkpoint_every"))
def group_robustness(
    dataset: DatasetName,
    as_json: Json = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="A Markdown table on standard output.")] = False,
    *,
    given: dict[str, Any],
) -> None:
    """Put the methods beside each other on one data set, oracles included."""
    from debias_pt.benchmarks.group_robustness import suite, table
    from debias_pt.settings import resolve

    from .output import data_name, percent, print_json, print_table

    result = suite.group_robustness(resolve(TrainSettings, {"seeds": 3}, given, {"dataset": dataset}))
    if as_json:
        print_json(result)
        return
    if markdown:
        print(table.markdown(result))
        return
    used = result["settings"]
    title = f"{data_name({**used, **result})}, {used['split']} split, {result['model']}, {used['seeds']} seeds"
    print_table(list(table.COLUMNS), table.table(result), title=f"{title}, mean ± 95 % half interval over seeds")
    if "accuracy" in result["probe"]:
        print(f"probe right for {percent(result['probe']['accuracy'])} % of the training images")
    print(f"step selection: {used['select']}")
