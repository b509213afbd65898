"""From settings to features, pseudo attributes and groups: the part all jobs share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from debias_pt.datasets import DATASETS, ImageDataset
from debias_pt.datasets.attributes import Attribute, choose_attributes
from debias_pt.datasets.base import DEFAULT_MODEL, require_classes
from debias_pt.errors import UsageError
from debias_pt.features.encoding import EncodeStats, encode_with_stats
from debias_pt.features.table import FeatureTable
from debias_pt.methods.composition import method_of
from debias_pt.models.backbone import Backbone
from debias_pt.noise.few_shot import draw_shots
from debias_pt.settings import ZERO_SHOT, DataSettings, FitSettings, TrainSettings, skips_bad
from debias_pt.training.selection import RULES
from debias_pt.utils.registry import lookup
from debias_pt.workflows.prepared import Prepared, probe_table
from debias_pt.workflows.source import load_source


def load_images(settings: DataSettings) -> ImageDataset:
    """Load the data set, checking its images unless unreadable ones are to be left out."""
    check_images = not skips_bad(settings.on_bad_image)
    return load_source(settings, check_counts=settings.check_counts, check_images=check_images)


def read_dataset(settings: DataSettings) -> tuple[ImageDataset, tuple[Attribute, ...]]:
    """Load the data set and choose its attributes: everything that can fail before the slow part."""
    dataset = load_images(settings)
    if not needs_attribute(settings) and not settings.attribute and not dataset.suspects:
        require_nothing_asked(settings)
        return dataset, ()
    attributes = choose_attributes(
        settings.attribute,
        dataset.suspects,
        templates=settings.attribute_template,
        class_conditional=settings.class_conditional,
    )
    return dataset, attributes


def needs_attribute(settings: DataSettings) -> bool:
    """Return whether the settings ask for work that rests on an attribute: all but a fit whose weights do not."""
    if not isinstance(settings, TrainSettings):
        return True
    method = method_of(settings)
    by_true = settings.select is not None and lookup(RULES, settings.select, "selection rule").uses_true_attributes
    return (method.choose is None and method.asks_attribute) or settings.groups == "true" or by_true


def require_nothing_asked(settings: DataSettings) -> None:
    """Refuse settings of the probe where no attribute is named, so that nothing would be asked."""
    asked = {
        "--probe": settings.probe not in (None, ZERO_SHOT),
        "--class-conditional": settings.class_conditional,
        "--attribute-template": bool(settings.attribute_template),
    }
    for flag in (flag for flag, given in asked.items() if given):
        advice = "add --attribute name=value:value, or leave it out"
        raise UsageError(f"{flag} changes nothing: no attribute is named; {advice}")


def with_shots(settings: DataSettings, dataset: ImageDataset) -> ImageDataset:
    """Return the data set with as many training images per class as were asked for; other splits stay whole."""
    if not isinstance(settings, TrainSettings) or settings.shots is None:
        return dataset
    train = np.flatnonzero(dataset.split == "train")
    drawn = draw_shots(dataset.y[train], settings.shots, settings.seed, class_names=dataset.class_names)
    kept = np.union1d(train[drawn], np.flatnonzero(dataset.split != "train"))
    return replace(dataset.rows(kept.tolist()), split_rule={**dataset.split_rule, "shots": settings.shots})


def load_backbone(settings: DataSettings) -> Backbone:
    """Load the model the settings name; without any name, the data set's own choice."""
    model, pretrained = settings.model, settings.pretrained
    if model is None and pretrained is None:
        model, pretrained = DATASETS[settings.dataset].card.model if settings.dataset in DATASETS else DEFAULT_MODEL
    return Backbone.load(
        model,
        pretrained,
        device=settings.device,
        precision=settings.precision,
        draft=settings.draft,
        decode=settings.decode,
    )


def encode_dataset(
    settings: DataSettings, backbone: Backbone, dataset: ImageDataset, engine: str | None = None
) -> tuple[FeatureTable, EncodeStats]:
    """Encode what the cache does not hold, in this process or by an engine (``ray``)."""
    return encode_with_stats(
        backbone,
        dataset,
        cache_dir=Path(settings.cache_dir) if settings.cache_dir else None,
        batch_size=settings.encode_batch_size,
        workers=settings.workers,
        skip_bad=skips_bad(settings.on_bad_image),
        engine=engine,
    )


def prepare(settings: DataSettings, check: Callable[[Backbone], object] = lambda backbone: None) -> Prepared:
    """Load, encode and probe.

    Parameters
    ----------
    settings : DataSettings
        Data, model and attributes.
    check : callable
        Called with the model before anything is encoded, to refuse it.

    Raises
    ------
    UsageError
        For any request that cannot be met; see the parts.
    """
    dataset, attributes = read_dataset(settings)
    dataset = with_shots(settings, dataset)
    if isinstance(settings, FitSettings):
        require_classes(dataset.name, dataset.class_names)
    backbone = load_backbone(settings)
    check(backbone)
    table, stats = encode_dataset(settings, backbone, dataset)
    rule = {"split_rule": dataset.split_rule, "synthetic": dataset.synthetic}
    return probe_table(backbone, table, stats, attributes, settings.probe or ZERO_SHOT, **rule)
