"""``debias-pt predict``."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import Json


def predict(
    run: Annotated[str, typer.Argument(help="Run folder.", show_default=False)],
    images: Annotated[list[str], typer.Argument(help="Image files.", show_default=False)],
    model: Annotated[str | None, typer.Option(help="Where the model is now, if it has moved.")] = None,
    pretrained: Annotated[str | None, typer.Option(help="Where the weights are now, if they have moved.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N; default the run's.")] = None,
    as_json: Json = False,
) -> None:
    """Classify image files with a finished run."""
    from debias_pt.jobs.predict import predict as job

    from .output import percent, print_json, print_table

    result = job(run, images, model=model, pretrained=pretrained, device=device)
    if as_json:
        print_json(result)
        return
    if result["synthetic"]:
        print("the run was trained on synthetic images: expect little of it on photographs")
    rows = []
    for row in result["images"]:
        said = [f"{one['value']} ({percent(one['confidence'])} %)" for one in row["attributes"].values()]
        rows.append([row["path"], row["label"], percent(row["probability"]), *said])
    names = list(result["images"][0]["attributes"])
    print_table(["image", "label", "probability, %", *[f"{name} (probe)" for name in names]], rows)
