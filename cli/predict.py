"""``debias-pt predict``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .format import say
from .options import Json


def predict(
    run: Annotated[str, typer.Argument(help="Run folder.", show_default=False)],
    images: Annotated[
        list[str],
        typer.Argument(metavar="IMAGE|FOLDER...", help="Image files, or folders of them.", show_default=False),
    ],
    format_: Annotated[
        str | None, typer.Option("--format", help="table, csv or jsonl; default by the extension of --out, else table.")
    ] = None,
    out: Annotated[str | None, typer.Option(help="Write to this file (csv or jsonl) instead.")] = None,
    on_bad_image: Annotated[str, typer.Option(help="What to do with an unreadable image: error, or skip.")] = "error",
    model: Annotated[str | None, typer.Option(help="Where the model is now, if it has moved.")] = None,
    pretrained: Annotated[str | None, typer.Option(help="Where the weights are now, if they have moved.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N; default the run's.")] = None,
    as_json: Json = False,
) -> None:
    """Classify image files, or folders of them, with a finished run."""
    import sys
    from pathlib import Path

    from debias_pt.errors import UsageError
    from debias_pt.settings import skips_bad
    from debias_pt.utils.files import require_writable, write_text
    from debias_pt.utils.words import counted
    from debias_pt.workflows.predict import FORMATS, choose_format
    from debias_pt.workflows.predict import predict as job

    from .format import print_json, write_stdout
    from .output import run_notes

    chosen = choose_format(format_, out)
    if as_json and format_ and not out:
        raise UsageError(f"--json and --format {format_} both want standard output; give one of them, or an --out")
    if out:
        require_writable(Path(out), "--out")
    result = job(run, images, skip_bad=skips_bad(on_bad_image), model=model, pretrained=pretrained, device=device)
    if out:
        write_text(Path(out), FORMATS[chosen](result))
    if as_json:
        print_json({**result, "out": out})
        return
    for note in run_notes(result):
        say(note, file=sys.stdout if chosen == "table" or out else sys.stderr)
    if out:
        say(f"written: {out} ({counted(len(result['images']), 'image')})")
    elif chosen == "table":
        _print(result)
    else:
        write_stdout(FORMATS[chosen](result))


def _print(result: dict[str, Any]) -> None:
    from debias_pt.utils.words import percent

    from .format import print_table

    rows = []
    for row in result["images"]:
        said = [f"{one['value']} ({percent(one['confidence'])} %)" for one in row["attributes"].values()]
        path = row["id"].encode(errors="surrogateescape").decode(errors="replace")
        rows.append([path, row["predicted"], percent(row["probability"]), *said])
    print_table(["image", "predicted", "probability, %", *[f"{name} (probe)" for name in result["attributes"]]], rows)
