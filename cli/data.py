"""``debias-pt data``: list, download, check and show data sets."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from debias_pt.settings import SourceSettings

from .format import say
from .help import SettingsCommand
from .options import DatasetName, Json, split_names, with_settings

app = typer.Typer(help="List, fetch, verify and show data sets; write miniatures.", no_args_is_help=True,
                  rich_markup_mode=None)  # fmt: skip


@app.command("list", cls=SettingsCommand)
def list_(as_json: Json = False) -> None:
    """List all data sets, the built-in synthetic ones and the real ones."""
    from debias_pt.workflows.data import list_datasets

    from .format import print_json, print_table

    rows = list_datasets()
    if as_json:
        print_json({"datasets": rows})
        return
    cells = []
    for row in rows:
        classes = ", ".join(row["classes"]) if row["n_classes"] < 4 else f"{row['n_classes']} classes"
        known = row["attribute"]
        attribute = f"{known['name']}: {', '.join(known['values'])}" if known else "none annotated"
        kind = "synthetic, built in" if row["synthetic"] else "real"
        cells.append([row["name"], kind, "/".join(map(str, row["images"].values())), classes, attribute])
    print_table(["data set", "kind", "train/val/test", "classes", "attribute"], cells)
    for row in rows:
        if not row["synthetic"]:
            say(f"{row['name']}: {row['terms']}")


@app.command("verify", cls=SettingsCommand)
@with_settings(SourceSettings, without=("dataset", "download", "on_bad_image"))
def verify(
    dataset: DatasetName,
    read_images: Annotated[bool, typer.Option("--read-images", help="Decode every image as well.")] = False,
    as_json: Json = False,
    *,
    given: dict[str, Any],
) -> None:
    """Check a data set's counts and files, and print every problem."""
    from debias_pt.settings import resolve
    from debias_pt.workflows.verify import verify as job

    from .format import print_json
    from .tables import print_verified

    result = job(resolve(SourceSettings, given, {"dataset": dataset}), read_images=read_images)
    print_json(result) if as_json else print_verified(result)
    if not result["ok"]:
        raise typer.Exit(1)


@app.command("fetch", cls=SettingsCommand)
def fetch(
    dataset: Annotated[str, typer.Argument(help="A real data set by name.", show_default=False)],
    data_root: Annotated[str, typer.Option(help="Folder to put the data set's own folder into.")] = "data",
    url: Annotated[str | None, typer.Option(help="Another mirror of the same archive.")] = None,
    as_json: Json = False,
) -> None:
    """Download, check and unpack a data set; prints its terms and size first, resumes an interrupted download."""
    from pathlib import Path

    from debias_pt.workflows.fetch import fetch as job

    from .format import print_json

    result = job(dataset, Path(data_root), url=url)
    if as_json:
        print_json(result)
    elif result["already_there"]:
        say(f"{dataset}: already there and complete: {result['folder']}")
    else:
        say(f"{dataset}: {result['folder']} ({result['bytes']} bytes fetched and checked)")


@app.command("picture", cls=SettingsCommand)
@with_settings(SourceSettings, without=("dataset", "download", "on_bad_image", "workers"))
def picture(
    dataset: DatasetName,
    out: Annotated[str, typer.Option(help="Image file to write.")] = "groups.png",
    split: Annotated[str, typer.Option(help="train, val or test.", autocompletion=split_names)] = "train",
    columns: Annotated[int, typer.Option(help="Images per group.", min=1, max=100)] = 8,
    seed: Annotated[int, typer.Option(help="Seed of the random choice of images.", min=0)] = 0,
    as_json: Json = False,
    *,
    given: dict[str, Any],
) -> None:
    """Write a picture with sample images of every group."""
    from pathlib import Path

    from debias_pt.settings import resolve
    from debias_pt.workflows.data import picture as job

    from .format import data_name, print_json

    settings = resolve(SourceSettings, given, {"dataset": dataset})
    result = job(settings, Path(out), split=split, columns=columns, seed=seed)
    print_json(result) if as_json else say(f"{data_name(result)}, {split} split: {result['file']}")


@app.command("write", cls=SettingsCommand)
def write(
    dataset: Annotated[str, typer.Argument(help="A miniature: waterbirds-mini.", show_default=False)],
    out: Annotated[str, typer.Argument(help="Folder to write into, to use as --data-root.", show_default=False)],
    seed: Annotated[int, typer.Option(help="Another seed draws other images.", min=0)] = 0,
    as_json: Json = False,
) -> None:
    """Write a synthetic miniature to disk in the real benchmark's layout."""
    from pathlib import Path

    from debias_pt.workflows.data import write as job

    from .format import data_name, print_json

    result = job(dataset, Path(out), seed=seed)
    print_json(result) if as_json else say(f"{data_name(result)}: {result['folder']}")
