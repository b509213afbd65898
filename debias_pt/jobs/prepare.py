"""From settings to features, pseudo attributes and groups: the part all jobs share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.attributes import Attribute, choose_attributes
from debias_pt.backbone import Backbone
from debias_pt.datasets import ImageDataset, load_dataset
from debias_pt.encoding import EncodeStats, encode
from debias_pt.errors import UsageError
from debias_pt.features import FeatureTable, TrueAttribute
from debias_pt.groups import Groups
from debias_pt.probe import AttributeProbe, PseudoAttribute
from debias_pt.probe_report import probe_report
from debias_pt.settings import DataSettings


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
    pseudo : Groups
        Class x pseudo attributes, for all rows.
    true : Groups or None
        Class x annotated attributes, for all rows, if the data set has any.
    """

    backbone: Backbone
    table: FeatureTable
    stats: EncodeStats
    attributes: tuple[Attribute, ...]
    said: tuple[PseudoAttribute, ...]
    pseudo: Groups
    true: Groups | None

    @property
    def yardstick(self) -> Groups:
        """The groups to report by: annotated ones where there are any, else pseudo groups."""
        return self.pseudo if self.true is None else self.true

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
            If the data set is not annotated.
        """
        if self.true is None:
            raise UsageError(f"{option} needs annotated attributes, {self.table.name} has none; leave it out")
        return self.true

    def probe_result(self, split: str) -> dict[str, Any]:
        """Return the probe's wording, group sizes, and its report where true attributes are known."""
        rows = self.rows(split)
        pseudo = self.pseudo.rows(rows)
        result: dict[str, Any] = {
            "split": split,
            "attributes": [attribute.describe() for attribute in self.attributes],
            "mean_confidence": {s.name: float(s.confidence[rows].mean()) for s in self.said},
            "pseudo_group_sizes": dict(zip(pseudo.names, pseudo.counts.tolist(), strict=True)),
        }
        if self.true is not None and self.true.attribute_names == self.pseudo.attribute_names:
            return {**probe_report(pseudo, self.true.rows(rows)).to_dict(), **result}
        return result


def read_dataset(settings: DataSettings) -> tuple[ImageDataset, tuple[Attribute, ...]]:
    """Load the data set and choose its attributes: what can go wrong before anything slow begins."""
    dataset = load_dataset(
        settings.dataset, settings.data_root, download=settings.download, check_counts=settings.check_counts
    )
    attributes = choose_attributes(
        settings.attribute,
        dataset.suspects,
        templates=settings.attribute_template,
        class_conditional=settings.class_conditional,
    )
    return dataset, attributes


def load_backbone(settings: DataSettings) -> Backbone:
    """Load the model the settings name; without any name, OpenAI's ViT-B/32."""
    model, pretrained = settings.model, settings.pretrained
    if model is None and pretrained is None:
        model, pretrained = "ViT-B-32-quickgelu", "openai"
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
    )


def prepare(settings: DataSettings) -> Prepared:
    """Load, encode, probe and group.

    Raises
    ------
    UsageError
        For anything that was asked for and cannot be had; see the parts.
    """
    dataset, attributes = read_dataset(settings)
    backbone = load_backbone(settings)
    table, stats = encode_dataset(settings, backbone, dataset)
    said = AttributeProbe(backbone, attributes, table.class_names).predict(table.features, table.y)
    pseudo = Groups.pseudo(table.y, table.class_names, said)
    annotated = annotated_attributes(table.attributes, said)
    true = Groups.true(table.y, table.class_names, annotated) if annotated else None
    return Prepared(backbone, table, stats, attributes, said, pseudo, true)


def annotated_attributes(
    known: Mapping[str, TrueAttribute], said: tuple[PseudoAttribute, ...]
) -> tuple[TrueAttribute, ...]:
    """Return the annotated attributes to report by.

    Those that the probe asked for, if all are annotated under the same name and values, in the
    probe's order of values; otherwise all that the data set has, since they are its benchmark.
    """
    matched = []
    for pseudo in said:
        true = known.get(pseudo.name)
        if true is None or set(true.values) != set(pseudo.values):
            return tuple(known.values())
        order = np.array([pseudo.values.index(value) for value in true.values])
        matched.append(TrueAttribute(pseudo.values, order[true.labels]))
    return tuple(matched)
