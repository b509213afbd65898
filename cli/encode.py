"""``debias-pt encode``."""

from __future__ import annotations

from typing import Any

from debias_pt.settings import DataSettings

from .format import say
from .options import DatasetName, Engine, Json, require_engine, with_settings

PROBE_ONLY = ("attribute", "attribute_template", "class_conditional")


@with_settings(DataSettings, without=("dataset", "words", *PROBE_ONLY))
def encode(
    dataset: DatasetName,
    engine: Engine = None,
    as_json: Json = False,
    *,
    given: dict[str, Any],
) -> None:
    """Encode a data set's images into the feature cache."""
    from dataclasses import asdict

    from debias_pt.settings import resolve

    settings = resolve(DataSettings, given, {"dataset": dataset})  # wrong words are refused before torch comes

    if engine is not None:
        require_engine(engine)
    from debias_pt.datasets.custom.feature_paths import holds_features
    from debias_pt.errors import UsageError
    from debias_pt.workflows.prepare import encode_dataset, load_backbone, load_images
    from debias_pt.workflows.source import data_names

    from .format import data_name, print_json

    if holds_features(settings.dataset):
        raise UsageError(f"{settings.dataset}: holds features already; there is nothing to encode: debias-pt train it")
    images = load_images(settings)
    backbone = load_backbone(settings, images)
    _, stats = encode_dataset(settings, backbone, images, engine)
    named = {**data_names(settings, images.name), "synthetic": images.synthetic, "model": backbone.name}
    if as_json:
        print_json({**named, "dim": backbone.dim, **asdict(stats)})
    else:
        rate = f", {stats.encoded / stats.seconds:.0f} images/s" if stats.encoded else ""
        say(f"{data_name(named)}: {stats.images} images, {stats.encoded} encoded now in {stats.seconds:.1f} s{rate}")
        say(f"cache: {stats.cache}")
