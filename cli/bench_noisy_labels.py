"""``debias-pt bench noisy-labels``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from debias_pt.benchmarks.noisy_labels.settings import NoisySettings
from debias_pt.settings import SUITE

from .options import DatasetName, Engine, Json, names_in, require_engine, with_settings


@with_settings(NoisySettings, without=("dataset", "probe", "words"))
def noisy_labels(
    dataset: DatasetName = "shapes-mini",
    experiment: Annotated[
        list[str] | None, typer.Option(help="curves, kinds, ... (repeat, or commas).", rich_help_panel=SUITE)
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Some experiments, two rates, fewer steps.", rich_help_panel=SUITE)
    ] = False,
    as_json: Json = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Markdown tables on standard output.")] = False,
    csv: Annotated[str | None, typer.Option(help="Write one line per point and seed to this file.")] = None,
    plot: Annotated[
        str | None, typer.Option(help="Draw one picture per experiment into this folder, or to this file.")
    ] = None,
    html: Annotated[str | None, typer.Option(help="Write the result as one HTML page to this file.")] = None,
    samples: Annotated[str | None, typer.Option(help="Write the drawn images and their labels here (JSON).")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Compute everything again, ignoring stored results.")] = False,
    engine: Engine = None,
    *,
    given: dict[str, Any],
) -> None:
    """Test ways of adapting under wrong labels: few shots, kinds of noise, robust losses, heads, no labels at all.

    Results already computed with the same data, model and settings come from the cache folder.
    """
    from pathlib import Path

    from debias_pt.benchmarks.noisy_labels import experiment_tables, suite
    from debias_pt.benchmarks.noisy_labels.plot import plot_all
    from debias_pt.benchmarks.noisy_labels.settings import QUICK
    from debias_pt.benchmarks.pages.noisy_labels import page
    from debias_pt.benchmarks.shared.figures import require_plot
    from debias_pt.pages.write import require_page, write_page
    from debias_pt.settings import resolve
    from debias_pt.utils.files import make_folder, write_csv, write_json

    from .format import print_json

    if plot is not None:
        require_plot(Path(plot))
    if html is not None:
        require_page(Path(html), "--html")
    if engine is not None:
        require_engine(engine)
    names = names_in(",".join(experiment or ()))
    settings = resolve(NoisySettings, QUICK if quick else {}, given, {"dataset": dataset})
    result = suite.noisy_labels(settings, names, quick=quick, fresh=fresh, engine=engine)
    if csv is not None:
        make_folder(Path(csv).parent)
        write_csv(Path(csv), *experiment_tables.csv_table(result))
    if samples is not None:
        make_folder(Path(samples).parent)
        write_json(Path(samples), result["samples"])
    if plot is not None:
        plot_all(result, Path(plot))
    if html is not None:
        write_page(Path(html), page(result))
    if as_json:
        print_json(result)
    elif markdown:
        print(experiment_tables.markdown(result))
    else:
        _print(result)


def _print(result: dict[str, Any]) -> None:
    from debias_pt.benchmarks.noisy_labels import experiment_tables

    from .format import data_name, print_table
    from .output import print_stored

    for one in result["experiments"]:
        header, lines = experiment_tables.main_table(one)
        print_table(header, lines, title=f"{data_name(result)}: {one['title']} ({one['experiment']})")
    last = {"Findings": experiment_tables.findings_table(result["findings"])} if result["findings"] else {}
    last |= {"Published, not measured here": experiment_tables.published_table(result)} if result["published"] else {}
    for heading, (header, lines) in last.items():
        print_table(header, lines, title=heading)
    notes = [
        experiment_tables.reasons(result["findings"]),
        experiment_tables.setting_line(result),
        *experiment_tables.left_out_lines(result),
    ]
    for line in filter(None, notes):
        print(line)
    print_stored("cells", result["computed"] + result["stored"], result["stored"])
