"""``debias-pt doctor``."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import Json


def doctor(
    data_root: Annotated[str, typer.Option(help="Folder that holds the data sets' folders.")] = "data",
    cache_dir: Annotated[str | None, typer.Option(help="Feature cache to check.")] = None,
    as_json: Json = False,
) -> None:
    """Show what this machine has and what is missing."""
    from debias_pt.workflows.doctor import doctor as job

    from .output import print_json

    result = job(data_root, cache_dir)
    if as_json:
        print_json(result)
    else:
        print("  ".join(f"{name} {number}" for name, number in result["versions"].items()))
        for check in result["checks"]:
            mark = "ok  " if check["ok"] else ("-   " if check["optional"] else "FAIL")
            todo = f" -> {check['todo']}" if check["todo"] else ""
            print(f"{mark} {check['name']}: {check['found']}{todo}")
    if not result["ok"]:
        raise typer.Exit(1)
