"""What all sections measure on: images, model, features and groups, loaded once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import open_clip

from debias_pt.datasets import ImageDataset
from debias_pt.datasets.custom.feature_paths import holds_features
from debias_pt.errors import UsageError
from debias_pt.features.encoding import EncodeStats
from debias_pt.features.table import FeatureTable
from debias_pt.models.backbone import Backbone
from debias_pt.settings import TrainSettings
from debias_pt.workflows.prepare import encode_dataset, load_backbone, read_dataset
from debias_pt.workflows.prepared import Prepared, probe_table


@dataclass(frozen=True)
class SpeedCase:
    """One data set and one model.

    Parameters
    ----------
    settings : TrainSettings
    dataset : ImageDataset
    prepared : Prepared
        Features, the probe's answers, groups.
    rounds : int
        How often every candidate is timed.
    quick : bool
        Measure on less data where possible.
    random_weights : bool
        The model's weights and the features are random numbers: only the time means anything.
    """

    settings: TrainSettings
    dataset: ImageDataset
    prepared: Prepared
    rounds: int
    quick: bool
    random_weights: bool = False

    @property
    def backbone(self) -> Backbone:
        """The model."""
        return self.prepared.backbone

    def paths(self, n: int) -> Sequence[str]:
        """Return the paths of the first `n` training images, again from the start if there are fewer."""
        train = np.flatnonzero(self.dataset.split == "train")
        return [str(self.dataset.root / self.dataset.ids[train[i % len(train)]]) for i in range(n)]


def load_case(settings: TrainSettings, *, rounds: int, quick: bool, random_weights: bool) -> SpeedCase:
    """Load images and model; with random weights, features are drawn and none is encoded."""
    if holds_features(settings.dataset):
        raise UsageError(f"{settings.dataset} holds features; the suite measures encoding too: give images")
    dataset, attributes = read_dataset(settings)
    if random_weights:
        backbone = random_backbone(settings)
        table, stats = random_table(dataset, backbone), EncodeStats(len(dataset), 0, 0.0, "")
    else:
        backbone = load_backbone(settings, dataset)
        table, stats = encode_dataset(settings, backbone, dataset)
    prepared = probe_table(backbone, table, stats, attributes)
    return SpeedCase(settings, dataset, prepared, rounds, quick, random_weights)


def random_backbone(settings: TrainSettings) -> Backbone:
    """Build an architecture of open_clip's with the weights it draws; ViT-L-14 can then be timed without a download.

    Raises
    ------
    UsageError
        If no architecture is named, or an unknown one.
    """
    if settings.model not in open_clip.list_models():
        raise UsageError(f"--random-weights with --model {settings.model}; name an architecture, such as ViT-B-32")
    model, _, preprocess = open_clip.create_model_and_transforms(settings.model)
    return Backbone(
        model,
        open_clip.get_tokenizer(settings.model),
        preprocess,
        name=f"{settings.model} (random weights)",
        config=open_clip.get_model_config(settings.model),
        preprocessing=open_clip.get_model_preprocess_cfg(model),
        device=settings.device,
        precision=settings.precision,
        draft=settings.draft,
        decode=settings.decode,
    )


def random_table(dataset: ImageDataset, backbone: Backbone) -> FeatureTable:
    """Return a table of the data set's labels with random unit features."""
    features = np.random.default_rng(0).standard_normal((len(dataset), backbone.dim), dtype=np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return FeatureTable(
        ids=dataset.ids,
        features=features,
        y=dataset.y,
        split=dataset.split,
        class_names=dataset.class_names,
        attributes=dataset.attributes,
        name=dataset.name,
        fingerprint=backbone.fingerprint,
    )
