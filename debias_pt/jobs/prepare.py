"""From settings to features, pseudo attributes and groups: the part all jobs share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.attributes import Attribute, choose_attributes
from debias_pt.backbone import Backbone
from debias_pt.datasets import DATASETS, ImageDataset, OwnData, load_dataset
from debias_pt.datasets.base import DEFAULT_MODEL
from debias_pt.encoding import EncodeStats, encode
from debias_pt.errors import UsageError
from debias_pt.features import FeatureTable, TrueAttribute
from debias_pt.groups import Groups
from debias_pt.listings.drawing import Shares
from debias_pt.probe import AttributeProbe, PseudoAttribute
from debias_pt.probe_report import probe_report
from debias_pt.settings import ON_BAD_IMAGE, DataSettings, SourceSettings


@dataclass(frozen=True)
class Prepared:
    """All that comes before fitting.

    Parameters
    ----------
    backbone : Backbone
    table : FeatureTable
        All splits.
    stats : EncodeStats
    attributes : tuple of Attribute
        What the probe asked.
    said : tuple of PseudoAttribute
        What it answered, for all rows.
    annotated : tuple of TrueAttribute or None
        For each of these, its annotation, where there is one under the same name and values.
    split_rule : mapping
        How the splits came about, where they are not the data set's own.
    """

    backbone: Backbone
    table: FeatureTable
    stats: EncodeStats
    attributes: tuple[Attribute, ...]
    said: tuple[PseudoAttribute, ...]
    annotated: tuple[TrueAttribute | None, ...]
    split_rule: Mapping[str, object] = field(default_factory=dict)

    @cached_property
    def pseudo(self) -> Groups:
        """Class x pseudo attributes, for all rows."""
        return Groups.pseudo(self.table.y, self.table.class_names, self.said)

    @cached_property
    def true(self) -> Groups | None:
        """Class x the same attributes as annotated, for all rows, if all of them are."""
        known = [true for true in self.annotated if true is not None]
        if len(known) < len(self.annotated):
            return None
        return Groups.true(self.table.y, self.table.class_names, known)

    @cached_property
    def benchmark(self) -> Mapping[str, TrueAttribute]:
        """The annotated attributes to report by, perhaps none.

        Those asked for, if all of them are annotated; else all that the data set has, since they are its benchmark.
        """
        if self.true is None:
            return self.table.attributes
        return {said.name: true for said, true in zip(self.said, self.annotated, strict=True) if true is not None}

    @cached_property
    def yardstick(self) -> Groups:
        """The groups to report by: class x :attr:`benchmark`, or pseudo groups where nothing is annotated."""
        if not self.benchmark:
            return self.pseudo
        return Groups.true(self.table.y, self.table.class_names, tuple(self.benchmark.values()))

    def rows(self, split: str) -> NDArray[np.bool_]:
        """Return which rows belong to a split.

        Raises
        ------
        UsageError
            If there are none.
        """
        rows = np.asarray(self.table.split == split)
        if not rows.any():
            raise UsageError(f"{self.table.name} has no {split!r} rows; choose another split")
        return rows

    def require_true(self, option: str) -> Groups:
        """Return the true groups.

        Raises
        ------
        UsageError
            If an attribute that was asked for is not annotated.
        """
        if self.true is None:
            raise UsageError(f"{option} needs annotations; {self.table.name} has none of {self._not_annotated()[0]}")
        return self.true

    def probe_result(self, split: str) -> dict[str, Any]:
        """Return the probe's wording, group sizes, and its report where true attributes are known."""
        rows = self.rows(split)
        pseudo = self.pseudo.rows(rows)
        result: dict[str, Any] = {
            "split": split,
            "attributes": [attribute.describe() for attribute in self.attributes],
            "mean_confidence": {said.name: float(said.confidence[rows].mean()) for said in self.said},
            "pseudo_group_sizes": dict(zip(pseudo.names, pseudo.counts.tolist(), strict=True)),
            "not_annotated": self._not_annotated(),
        }
        if len(self.said) > 1:
            result["by_attribute"] = {
                said.name: self._report_one(said, true, rows)
                for said, true in zip(self.said, self.annotated, strict=True)
                if true is not None
            }
        if self.true is not None:
            return {**probe_report(pseudo, self.true.rows(rows)).to_dict(), **result}
        return result

    def _report_one(self, said: PseudoAttribute, true: TrueAttribute, rows: NDArray[np.bool_]) -> dict[str, Any]:
        y, names = self.table.y, self.table.class_names
        pseudo, known = Groups.pseudo(y, names, [said]), Groups.true(y, names, [true])
        return probe_report(pseudo.rows(rows), known.rows(rows)).to_dict()

    def _not_annotated(self) -> list[str]:
        """Name the attributes without an annotation, and say what is annotated instead."""
        return [self._missing(said.name) for said, true in zip(self.said, self.annotated, strict=True) if true is None]

    def _missing(self, name: str) -> str:
        known = self.table.attributes
        if name in known:
            return f"{name!r} with these values (annotated are {', '.join(known[name].values)}; name yours so)"
        return f"{name!r} (annotated are: {', '.join(known) or 'none'})"


def load_source(settings: SourceSettings, *, check_counts: bool, check_images: bool) -> ImageDataset:
    """Load the images that the settings name."""
    return load_dataset(
        settings.dataset,
        settings.data_root,
        download=settings.download,
        check_counts=check_counts,
        check_images=check_images,
        cache_dir=settings.cache_dir,
        own=own_data(settings),
    )


def read_dataset(settings: DataSettings) -> tuple[ImageDataset, tuple[Attribute, ...]]:
    """Load the data set and choose its attributes: what can go wrong before anything slow begins."""
    if settings.on_bad_image not in ON_BAD_IMAGE:
        raise UsageError(f"on_bad_image is {settings.on_bad_image!r}; {' or '.join(ON_BAD_IMAGE)} expected")
    dataset = load_source(settings, check_counts=settings.check_counts, check_images=settings.on_bad_image == "error")
    attributes = choose_attributes(
        settings.attribute,
        dataset.suspects,
        templates=settings.attribute_template,
        class_conditional=settings.class_conditional,
    )
    return dataset, attributes


def own_data(settings: SourceSettings) -> OwnData:
    """Return how to read somebody's own data."""
    return OwnData(
        settings.image_column,
        settings.label_column,
        settings.split_column,
        settings.group_column,
        settings.attribute_column,
        Path(settings.image_root) if settings.image_root else None,
        settings.class_name,
        Shares(settings.val_share, settings.test_share, settings.split_seed),
    )


def load_backbone(settings: DataSettings) -> Backbone:
    """Load the model the settings name; without any name, the data set's own choice."""
    model, pretrained = settings.model, settings.pretrained
    if model is None and pretrained is None:
        model, pretrained = DATASETS[settings.dataset].card.model if settings.dataset in DATASETS else DEFAULT_MODEL
    return Backbone.load(model, pretrained, device=settings.device, precision=settings.precision)


def encode_dataset(
    settings: DataSettings, backbone: Backbone, dataset: ImageDataset
) -> tuple[FeatureTable, EncodeStats]:
    """Encode what the cache does not hold."""
    return encode(
        backbone,
        dataset,
        cache_dir=Path(settings.cache_dir) if settings.cache_dir else None,
        batch_size=settings.encode_batch_size,
        workers=settings.workers,
        skip_bad=settings.on_bad_image == "skip",
    )


def prepare(settings: DataSettings, check: Callable[[Backbone], object] = lambda backbone: None) -> Prepared:
    """Load, encode, probe and group.

    Parameters
    ----------
    settings : DataSettings
        Data, model and attributes.
    check : callable
        Called with the model before anything is encoded, to refuse it.

    Raises
    ------
    UsageError
        For anything that was asked for and cannot be had; see the parts.
    """
    dataset, attributes = read_dataset(settings)
    backbone = load_backbone(settings)
    check(backbone)
    prepared = ask(backbone, *encode_dataset(settings, backbone, dataset), attributes)
    return replace(prepared, split_rule=dataset.split_rule)


def ask(backbone: Backbone, table: FeatureTable, stats: EncodeStats, attributes: tuple[Attribute, ...]) -> Prepared:
    """Let the probe answer for all rows."""
    said = AttributeProbe(backbone, attributes, table.class_names).predict(table.features, table.y)
    annotated = tuple(annotation(table.attributes.get(one.name), one) for one in said)
    return Prepared(backbone, table, stats, attributes, said, annotated)


def annotation(true: TrueAttribute | None, said: PseudoAttribute) -> TrueAttribute | None:
    """Return an annotation in the probe's order of values, or None if it has other values."""
    if true is None or set(true.values) != set(said.values):
        return None
    order = np.array([said.values.index(value) for value in true.values])
    return TrueAttribute(said.values, order[true.labels])
