"""``debias-pt bench``: the benchmark suites."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from debias_pt.settings import TrainSettings

from .options import DatasetName, Json, with_settings

PER_ROW = ("method", "groups", "eta", "ema", "refresh", "normalize", "alpha", "head")

app = typer.Typer(help="Run a benchmark suite.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def bench() -> None:
    """Run a benchmark suite."""


@app.command("group-robustness")
@with_settings(TrainSettings, without=(*PER_ROW, "dataset", "out", "checkpoint_every"))
def group_robustness(
    dataset: DatasetName,
    rows: Annotated[str, typer.Option(help="Rows by name, joined by commas: erm,dpt,dfr. Default all.")] = "",
    as_json: Json = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Markdown tables on standard output.")] = False,
    csv: Annotated[str | None, typer.Option(help="Write one line per row and seed to this file.")] = None,
    plot: Annotated[str | None, typer.Option(help="Draw worst-group accuracy to this .png, .pdf or .svg.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Compute rows anew that were computed before.")] = False,
    *,
    given: dict[str, Any],
) -> None:
    """Put the methods beside each other on one data set, oracles included.

    A row that was computed before with the same data, model, words and settings is taken from the cache folder.
    """
    from pathlib import Path

    from debias_pt.benchmarks.group_robustness import suite, table
    from debias_pt.benchmarks.group_robustness.plot import plot_rows, require_plot_path
    from debias_pt.files import make_folder, write_csv
    from debias_pt.settings import resolve

    from .output import print_json

    if plot is not None:
        require_plot_path(Path(plot))
    names = [name.strip() for name in rows.split(",") if name.strip()]
    settings = resolve(TrainSettings, {"seeds": 3}, given, {"dataset": dataset})
    result = suite.group_robustness(settings, names, fresh=fresh)
    if csv is not None:
        make_folder(Path(csv).parent)
        write_csv(Path(csv), *table.csv_table(result))
    if plot is not None:
        plot_rows(result, Path(plot))
    if as_json:
        print_json(result)
    elif markdown:
        print(table.markdown(result))
    else:
        _print(result)


def _print(result: dict[str, Any]) -> None:
    from debias_pt.benchmarks.group_robustness import table

    from .output import data_name, print_table

    title = f"{data_name(result)}, {result['split']} split, {result['model']}, {table.spread(result)}"
    tables = [(title, table.main_table(result, short=True)), ("", table.group_table(result, short=True))]
    if result["published"]:
        tables.append(("Published, not measured here", table.published_table(result)))
    for heading, (header, lines) in tables:
        print_table(header, lines, title=heading)
    print(f"{table.LABELS_NOTE}. Step selection: {result['selection']}.")
    print(f"{table.probe_line(result)}.")
    if result["left_out"]:
        print(f"{table.left_out_line(result)}.")
    stored, computed = result["stored_rows"], len(result["rows"]) - result["stored_rows"]
    print(f"{computed} rows computed, {stored} taken from earlier calls (--fresh computes them anew).")
