"""``debias-pt bench discovery``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from debias_pt.settings import DataSettings

from .encode import PROBE_ONLY
from .options import Json, with_settings


@with_settings(DataSettings, without=("dataset", "probe", *PROBE_ONLY))
def discovery(
    dataset: Annotated[
        list[str],
        typer.Argument(help="Data sets by name or path, or JSON files that name one.", show_default=False),
    ],
    as_json: Json = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Markdown tables on standard output.")] = False,
    *,
    given: dict[str, Any],
) -> None:
    """Is the shortcut found without its name? Words written down beforehand, and other rankings beside ours."""
    from debias_pt.benchmarks.discovery.ranking_table import rankings_table, verdict
    from debias_pt.benchmarks.discovery.suite import discovery as job
    from debias_pt.benchmarks.group_robustness.several_sets.compare import settings_of
    from debias_pt.benchmarks.shared.tables import markdown_table

    from .format import data_name, print_json, print_table

    results = [job(settings_of(name, given)) for name in dataset]
    if as_json:
        print_json({"sets": results})
        return
    for result in results:
        title = f"{data_name(result)}, {result['model']}, {result['words']} words"
        if markdown:
            print(f"{title}: {verdict(result)}.\n\n{markdown_table(*rankings_table(result), left=1)}\n")
        else:
            header, lines = rankings_table(result)
            print_table(header, lines, title=title)
            print(f"{verdict(result)}")
