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
from debias_pt.features.files.dataset import FeatureDataset
from debias_pt.features.table import FeatureTable
from debias_pt.methods import METHODS
from debias_pt.methods.composition import fill, method_of
from debias_pt.models.backbone import Backbone
from debias_pt.models.feature_backbone import ADVICE, FeatureBackbone, require_maker
from debias_pt.models.words import Words, read_words
from debias_pt.noise.few_shot import draw_shots
from debias_pt.settings import ZERO_SHOT, DataSettings, FitSettings, TrainSettings, skips_bad
from debias_pt.training.fit_checks import require_head
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
    if isinstance(dataset, FeatureDataset):
        return dataset, attributes_of_features(settings, dataset)
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


def attributes_of_features(settings: DataSettings, dataset: FeatureDataset) -> tuple[Attribute, ...]:
    """Choose the attributes to ask features about: in words that came with them, or that a named model reads.

    Raises
    ------
    UsageError
        If an attribute is asked for and nothing is there to read its words.
    """
    known, templates = dict(dataset.suspects), settings.attribute_template
    if not names_model(settings):
        if settings.words is None:
            _refuse_words(settings)
            require_nothing_asked(settings)
            return ()
        if settings.attribute_template or settings.class_conditional:
            option = "--class-conditional" if settings.class_conditional else "--attribute-template"
            raise UsageError(f"{option} is for a model that reads prompts; {settings.words} has words: leave it out")
        words, templates = read_words(settings.words), ("{attribute}",)
        known = {name: one for name, one in known.items() if _looked_up(one, words)}
    if not (settings.attribute or known or needs_attribute(settings)):
        require_nothing_asked(settings)
        return ()
    return choose_attributes(
        settings.attribute, known, templates=templates, class_conditional=settings.class_conditional
    )


def _looked_up(attribute: Attribute, words: Words) -> bool:
    return all(words.row(phrase) is not None for phrases in attribute.values.values() for phrase in phrases)


def _refuse_words(settings: DataSettings) -> None:
    """Refuse an attribute, or a method that asks for one, where nothing reads its words."""
    if settings.attribute or not isinstance(settings, TrainSettings):
        what = f"--attribute {settings.attribute[0]}" if settings.attribute else f"an attribute of {settings.dataset}"
        raise UsageError(f"{what} is in words, and nothing reads them: give text features (--words), or {ADVICE}")
    method = method_of(settings)
    if method.choose is None and method.asks_attribute and settings.groups == "pseudo":
        raise UsageError(
            f"the method {settings.method!r} asks for an attribute in words, and {settings.dataset} came without: "
            f"give text features (--words), {ADVICE}, or take --method inferred or class-balanced"
        )


def names_model(settings: DataSettings) -> bool:
    """Tell whether a model is named."""
    return settings.model is not None or settings.pretrained is not None


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


def load_backbone(settings: DataSettings, dataset: ImageDataset) -> Backbone:
    """Load the model the settings name; without any name, the data set's own choice, for features none."""
    of_features = isinstance(dataset, FeatureDataset)
    if settings.words is not None and (not of_features or names_model(settings)):
        why = "the model reads words itself" if of_features else f"{settings.dataset} is no file of features"
        raise UsageError(f"--words {settings.words}: {why}; leave it out")
    if isinstance(dataset, FeatureDataset) and not names_model(settings):
        words = None if settings.words is None else read_words(settings.words)
        return FeatureBackbone(dataset.dim, words=words, made_by=dataset.made_by, device=settings.device)
    return load_named(settings)


def load_named(settings: DataSettings) -> Backbone:
    """Load the model that settings name; without any name, the choice of the data set that they name."""
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
    """Encode what the cache does not hold, in this process or by an engine (``ray``); features are taken as they are.

    Raises
    ------
    FingerprintError
        If a model is named that did not make the features.
    """
    if isinstance(dataset, FeatureDataset):
        if not isinstance(backbone, FeatureBackbone):
            require_maker(dataset.made_by, dataset.dim, backbone, settings.dataset)
        return dataset.table(backbone.fingerprint), EncodeStats(len(dataset), 0, 0.0, "")
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
    backbone = load_backbone(settings, dataset)
    check(backbone)
    if isinstance(settings, FitSettings):
        require_heads(settings, backbone, dataset.class_names)
    table, stats = encode_dataset(settings, backbone, dataset)
    rule = {"split_rule": dataset.split_rule, "synthetic": dataset.synthetic}
    return probe_table(backbone, table, stats, attributes, settings.probe or ZERO_SHOT, **rule)


def require_heads(settings: FitSettings, backbone: Backbone, class_names: tuple[str, ...]) -> None:
    """Refuse a head that features without a model cannot have; of a method that chooses, for whatever it may choose."""
    method = method_of(settings)
    for name in method.candidates or (settings.method,):
        require_head(fill(replace(settings, method=name), METHODS[name]), backbone, class_names)
