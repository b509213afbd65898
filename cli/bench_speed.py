"""``debias-pt bench speed``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from debias_pt.settings import METHOD_OPTIONS, SUITE, TrainSettings

from .options import DatasetName, Json, names_in, with_settings

# What is timed is plain prompt tuning; these change nothing about its cost.
NOT_TIMED = (
    "method", "method_option", *METHOD_OPTIONS, "groups", "head", "dataset", "out", "checkpoint_every", "seeds",
    "split", "words",
)  # fmt: skip


@with_settings(TrainSettings, without=NOT_TIMED)
def speed(
    dataset: DatasetName = "waterbirds-mini",
    sections: Annotated[
        str, typer.Option(help="Sections by name, joined by commas. Default all.", rich_help_panel=SUITE)
    ] = "",
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer rounds on smaller parts: about two minutes.", rich_help_panel=SUITE)
    ] = False,
    random_weights: Annotated[
        bool,
        typer.Option(
            "--random-weights",
            help="Time an architecture (--model ViT-L-14) without its weights.",
            rich_help_panel=SUITE,
        ),
    ] = False,
    as_json: Json = False,
    plot: Annotated[str | None, typer.Option(help="Draw the ratios to this file, or into this folder.")] = None,
    html: Annotated[str | None, typer.Option(help="Write the result as one HTML page to this file.")] = None,
    *,
    given: dict[str, Any],
) -> None:
    """Time the hot parts against alternatives and the machine's limits."""
    from pathlib import Path

    from debias_pt.benchmarks.pages.speed import page
    from debias_pt.benchmarks.shared.figures import plot_path, require_plot
    from debias_pt.benchmarks.speed import suite
    from debias_pt.benchmarks.speed.plot import plot as draw
    from debias_pt.pages.write import require_page, write_page
    from debias_pt.settings import resolve

    from .format import print_json

    if plot is not None:
        require_plot(Path(plot))
    if html is not None:
        require_page(Path(html), "--html")
    settings = resolve(TrainSettings, given, {"dataset": dataset})
    result = suite.speed(settings, names_in(sections), quick=quick, random_weights=random_weights)
    if plot is not None:
        draw(result, plot_path(Path(plot), "speed"))
    if html is not None:
        write_page(Path(html), page(result))
    print_json(result) if as_json else _print(result)


def _print(result: dict[str, Any]) -> None:
    from debias_pt.benchmarks.speed import section_tables

    from .format import print_table

    print(section_tables.heading(result))
    for section in result["sections"]:
        print_table(*section_tables.table(section))
        for note in section_tables.notes(section):
            print(note)
