"""Write the drawn sets: ``python -m studies.drawn_sets OUT --data-root DATA``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from debias_pt.errors import DebiasError
from debias_pt.utils.registry import lookup

from .draw import write_set
from .sets import DRAWN_SETS


def main(
    out: Annotated[Path, typer.Argument(help="Folder to write NAME.csv and NAME.json into.")],
    data_root: Annotated[Path, typer.Option(help="Folder that holds waterbirds_v1.0, pacs and caltech101.")],
    name: Annotated[list[str] | None, typer.Option(help="One of the sets (repeat for several); default all.")] = None,
    seed: Annotated[int, typer.Option(help="Another seed draws other photographs.", min=0)] = 0,
) -> None:
    """Draw real skewed data sets from photographs that are there."""
    try:
        for one in name or DRAWN_SETS:
            print(write_set(one, lookup(DRAWN_SETS, one, "drawn set"), data_root, out, seed), file=sys.stderr)
    except DebiasError as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(error.exit_code) from error


if __name__ == "__main__":
    typer.run(main)
