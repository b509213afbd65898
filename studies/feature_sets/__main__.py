"""Write the sets: ``python -m studies.feature_sets OUT --data-root DATA``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from debias_pt.errors import DebiasError
from debias_pt.utils.registry import lookup

from .draw import write_set
from .sets import feature_sets


def main(
    out: Annotated[Path, typer.Argument(help="Folder to write NAME.npz and NAME.json into.")],
    data_root: Annotated[Path, typer.Option(help="Folder that holds clip-vit-b32.")],
    name: Annotated[list[str] | None, typer.Option(help="One of the sets (repeat for several); default all.")] = None,
    seed: Annotated[int, typer.Option(help="Another seed draws other rows.", min=0)] = 0,
) -> None:
    """Draw skewed data sets from CLIP's features of aircraft, objects and flowers."""
    try:
        sets = feature_sets(data_root, seed)
        for one in name or sets:
            print(write_set(one, lookup(sets, one, "set of features"), data_root, out, seed), file=sys.stderr)
    except DebiasError as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(error.exit_code) from error


if __name__ == "__main__":
    typer.run(main)
