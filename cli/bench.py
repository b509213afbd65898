"""``debias-pt bench``: the benchmark suites; group robustness here, the others in separate files."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from debias_pt.settings import METHOD_OPTIONS, SUITE, DataSettings, TrainSettings

from . import bench_discovery, bench_noisy_labels, bench_speed
from .help import SettingsCommand
from .options import DatasetName, Engine, Json, names_in, require_engine, with_settings

# What the rows of the suite set themselves.
PER_ROW = ("groups", "head", "method", "method_option", *METHOD_OPTIONS)
PRESET = {"seeds": 3}

app = typer.Typer(help="Run a benchmark suite.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def bench() -> None:
    """Run a benchmark suite."""


@app.command("group-robustness", cls=SettingsCommand)
@with_settings(TrainSettings, without=(*PER_ROW, "dataset", "out", "checkpoint_every"), preset=PRESET)
def group_robustness(
    dataset: Annotated[
        list[str],
        typer.Argument(
            help="Data sets by name or path; or JSON files that name one (dataset) with its own settings.",
            show_default=False,
        ),
    ],
    rows: Annotated[
        str, typer.Option(help="Rows by name, joined by commas: erm,dpt,dfr. Default all.", rich_help_panel=SUITE)
    ] = "",
    ablation: Annotated[
        str, typer.Option(help="Vary one setting of dpt instead: eta, probe-noise, ...", rich_help_panel=SUITE)
    ] = "",
    as_json: Json = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Markdown tables on standard output.")] = False,
    csv: Annotated[str | None, typer.Option(help="Write one line per row and seed to this file.")] = None,
    plot: Annotated[
        str | None, typer.Option(help="Draw worst-group accuracy to this .png, .pdf or .svg, or into this folder.")
    ] = None,
    html: Annotated[str | None, typer.Option(help="Write the result as one HTML page to this file.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Compute everything again, ignoring stored results.")] = False,
    engine: Engine = None,
    *,
    given: dict[str, Any],
) -> None:
    """Compare the methods on a data set, oracles included, or on several: worst-group accuracy, regret, failures.

    Results already computed with the same data, model, wording and settings come from the cache folder.
    """
    from pathlib import Path

    from debias_pt.benchmarks.group_robustness import ablations, row_tables, suite
    from debias_pt.benchmarks.group_robustness.plot import plot_ablation, plot_rows
    from debias_pt.benchmarks.group_robustness.several_sets import compare, set_tables
    from debias_pt.benchmarks.pages.group_robustness import page
    from debias_pt.benchmarks.shared.figures import plot_path, require_plot
    from debias_pt.errors import UsageError
    from debias_pt.pages.write import require_page, write_page
    from debias_pt.utils.files import make_folder, write_csv

    from .format import print_json

    several = len(dataset) > 1
    if engine is not None:
        require_engine(engine)
        if several or ablation:
            raise UsageError(f"--engine {engine} is for the rows of one data set; run several sets and ablations apart")
    if plot is not None:
        require_plot(Path(plot))
    if html is not None:
        require_page(Path(html), "--html")
    if rows and ablation:
        raise UsageError(f"--rows {rows} and --ablation {ablation} exclude each other; leave one out")
    if several and (ablation or plot):
        raise UsageError(f"--{'ablation' if ablation else 'plot'} is of one data set, and {len(dataset)} are given")
    names = names_in(rows)
    sets = {name: compare.settings_of(name, {**PRESET, **given}) for name in dataset}
    settings = sets[dataset[0]]
    if ablation:
        result, view = ablations.ablation(settings, ablation, fresh=fresh), row_tables.ablation_markdown
    elif several:
        by_name = dict(zip(compare.short_names(list(sets)), sets.values(), strict=True))
        result, view = compare.group_robustness_on(by_name, names, fresh=fresh), set_tables.markdown
    else:
        result, view = suite.group_robustness(settings, names, fresh=fresh, engine=engine), row_tables.markdown
    if csv is not None:
        make_folder(Path(csv).parent)
        write_csv(Path(csv), *(set_tables if several else row_tables).csv_table(result))
    if plot is not None:
        name = f"{result['dataset']}-{ablation}" if ablation else result["dataset"]
        (plot_ablation if ablation else plot_rows)(result, plot_path(Path(plot), Path(name).name))
    if html is not None:
        write_page(Path(html), page(result))
    if as_json:
        print_json(result)
    elif markdown:
        print(view(result))
    else:
        (_print_ablation if ablation else _print_several if several else _print_rows)(result)


def _print_several(result: dict[str, Any]) -> None:
    from debias_pt.benchmarks.group_robustness import row_tables
    from debias_pt.benchmarks.group_robustness.several_sets import set_tables

    from .format import print_table
    from .output import print_stored

    first = result["sets"][0]
    title = f"{first['split']} split, {first['model']}, {row_tables.seeds_note(first)}"
    for header, lines in (*set_tables.blocks(result), set_tables.set_table(result)):
        print_table(header, lines, title=title)
        title = ""
    print(f"{set_tables.NOTE}.")
    for line in set_tables.unused_lines(result):
        print(f"{line}.")
    print_stored("rows", sum(len(one["rows"]) for one in result["sets"]), result["stored_rows"])


def _print_rows(result: dict[str, Any]) -> None:
    from debias_pt.benchmarks.group_robustness import row_tables

    from .format import print_table
    from .output import print_stored

    tables = [
        (_title(result), row_tables.main_table(result, short=True)),
        ("", row_tables.group_table(result, short=True)),
    ]
    tables.append((row_tables.INTERVALS_NOTE.rstrip(":"), row_tables.interval_table(result, short=True)))
    if result["published"]:
        tables.append(("Published, not measured here", row_tables.published_table(result)))
    for heading, (header, lines) in tables:
        print_table(header, lines, title=heading)
    for line in row_tables.unused_lines(result):
        print(f"{line}.")
    print(f"{row_tables.LABELS_NOTE}. Step selection: {result['selection']}.")
    for line in (
        row_tables.groups_line(result).rstrip("."),
        row_tables.probe_line(result),
        row_tables.distance_line(result),
    ):
        if line:
            print(f"{line}.")
    if result["left_out"]:
        print(f"{row_tables.left_out_line(result)}.")
    print_stored("rows", len(result["rows"]), result["stored_rows"])


def _print_ablation(result: dict[str, Any]) -> None:
    from debias_pt.benchmarks.group_robustness import row_tables

    from .format import print_table
    from .output import print_stored

    header, lines = row_tables.ablation_table(result, short=True)
    print_table(header, lines, title=_title(result))
    print(f"{row_tables.LABELS_NOTE}. Step selection: {result['selection']}.")
    print_stored("fits", len(result["points"]), result["stored_points"])


def _title(result: dict[str, Any]) -> str:
    from debias_pt.benchmarks.group_robustness import row_tables

    from .format import data_name

    return f"{data_name(result)}, {result['split']} split, {result['model']}, {row_tables.seeds_note(result)}"


@app.command("guard", cls=SettingsCommand)
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

    from .format import data_name, print_json, print_table

    result = check_guard(resolve(DataSettings, given, {"dataset": dataset}), tuple(names_in(leave_out)))
    if as_json:
        print_json(result)
        return
    header, lines = table(result)
    print_table(header, lines, title=f"{data_name(result)}, training images, {result['model']}")
    for kind, counts in result["counts"].items():
        print(f"{kind} words: " + ", ".join(f"{n} {verdict}" for verdict, n in counts.items()))


app.command("discovery", cls=SettingsCommand)(bench_discovery.discovery)
app.command("noisy-labels", cls=SettingsCommand)(bench_noisy_labels.noisy_labels)
app.command("speed", cls=SettingsCommand)(bench_speed.speed)
