"""``debias-pt doctor`` and ``debias-pt models``: what is here."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .options import Json

MODEL_COLUMNS = ["model", "weights (* downloaded)", "pixels", "features", "text pass", "needs"]
YES = {True: "yes", False: "no"}


def doctor(
    data_root: Annotated[str, typer.Option(help="Folder that holds the data sets' folders.")] = "data",
    cache_dir: Annotated[str | None, typer.Option(help="Feature cache to check.")] = None,
    as_json: Json = False,
) -> None:
    """Show what this machine has and what is missing."""
    from debias_pt.workflows.doctor import doctor as job

    from .format import print_json

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


def models(
    name: Annotated[str | None, typer.Argument(help="A model, for its weights, or a part of models' names.")] = None,
    as_json: Json = False,
) -> None:
    """List the models that --model and --pretrained can name."""
    from debias_pt.models.listing import list_models

    from .format import print_json, print_table

    found = list_models(name)
    if as_json:
        print_json(found)
        return
    print_table(MODEL_COLUMNS, [_model_line(one) for one in found["models"]])
    if "weights" in found:
        count = (
            "unknown without a download" if found["parameters"] is None else f"{found['parameters'] / 1e6:.0f} million"
        )
        print(f"\nparameters: {count}")
        print_table(
            ["weights", "loads", "mean", "resize", "downloaded"],
            [
                [
                    one["tag"],
                    one["loads"],
                    f"{one['mean'][0]:.3g}",
                    one["resize_mode"] or "shortest",
                    YES[one["cached"]],
                ]
                for one in found["weights"]
            ],
        )
    for repository in found["hub"]:
        print(f"in the hub's cache: --model {repository}")
    print("\nmini, local-dir:FOLDER, hf-hub:ORG/REPO and hf:FOLDER_OR_NAME work too (docs/models.md)")


def _model_line(one: dict[str, Any]) -> list[str]:
    tags = [f"{tag}*" if tag in one["cached"] else tag for tag in one["tags"]]
    return [
        one["name"],
        ", ".join(tags) or "none",
        str(one["image_size"]),
        str(one["features"]),
        one["text_pass"],
        one["needs"] or "",
    ]
