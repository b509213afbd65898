"""``debias-pt cache``."""

from __future__ import annotations

from typing import Annotated

import typer

from .help import SettingsCommand
from .options import Json

app = typer.Typer(help="Merge caches of features.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def cache() -> None:
    """Merge caches of features."""


@app.command("merge", cls=SettingsCommand)
def merge(
    into: Annotated[str, typer.Argument(help="Cache folder to add to; made if it is missing.", show_default=False)],
    sources: Annotated[list[str], typer.Argument(help="Cache folders to read.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Copy into a cache what others hold and it does not: those of other machines, or to pack small shards."""
    from pathlib import Path

    from debias_pt.features.merging import merge_caches

    from .format import print_json, say

    result = {"cache": into, **merge_caches(Path(into), [Path(source) for source in sources])}
    if as_json:
        print_json(result)
    else:
        say(f"{into}: {result['added']} of {result['images']} images added")
