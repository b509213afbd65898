"""``debias-pt export``."""

from __future__ import annotations

from typing import Annotated

import typer

from .format import say
from .options import Json


def export(
    run: Annotated[str, typer.Argument(help="Run folder.", show_default=False)],
    out: Annotated[
        str | None,
        typer.Option(
            help="Folder to write, or a file .onnx or .pt2 with the image tower; default export in the run's folder."
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Which of the run's seeds; default its first.")] = None,
    model: Annotated[str | None, typer.Option(help="Where the model is now, if it has moved.")] = None,
    pretrained: Annotated[str | None, typer.Option(help="Where the weights are now, if they have moved.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N; default the run's.")] = None,
    as_json: Json = False,
) -> None:
    """Write a run's class weights as plain files for open_clip, or image tower and classifier as ONNX."""
    from debias_pt.workflows.export import export as job

    from .format import print_json
    from .output import run_notes

    result = job(run, out=out, seed=seed, model=model, pretrained=pretrained, device=device)
    if as_json:
        print_json(result)
        return
    for note in run_notes(result):
        say(note)
    names = ", ".join(result["class_names"])
    say(f"written: {result['folder']} ({len(result['class_names'])} x {result['dim']}, seed {result['seed']}: {names})")
