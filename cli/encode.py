"""``debias-pt encode``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from debias_pt.settings import DataSettings

from .options import with_settings

PROBE_ONLY = ("attribute", "attribute_template", "class_conditional")


@with_settings(DataSettings, without=("dataset", *PROBE_ONLY))
def encode(
    dataset: Annotated[
        str, typer.Argument(help="Data set by name: debias-pt data list shows them.", show_default=False)
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
    *,
    given: dict[str, Any],
) -> None:
    """Encode a data set's images into the feature cache."""
    from dataclasses import asdict

    from debias_pt.datasets import is_synthetic
    from debias_pt.jobs.prepare import encode_dataset, load_backbone, read_dataset
    from debias_pt.settings import resolve

    from .output import data_name, print_json

    settings = resolve(DataSettings, given, {"dataset": dataset})
    images, _ = read_dataset(settings)
    backbone = load_backbone(settings)
    _, stats = encode_dataset(settings, backbone, images)
    if as_json:
        print_json(
            {
                "dataset": dataset,
                "synthetic": is_synthetic(dataset),
                "model": backbone.name,
                "dim": backbone.dim,
                **asdict(stats),
            }
        )
    else:
        rate = f", {stats.encoded / stats.seconds:.0f} images/s" if stats.encoded else ""
        name = data_name({"dataset": dataset, "synthetic": is_synthetic(dataset)})
        print(f"{name}: {stats.images} images, {stats.encoded} encoded now in {stats.seconds:.1f} s{rate}")
        print(f"cache: {stats.cache}")
