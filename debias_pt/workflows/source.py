"""From settings to a data set: quick to import, since no model is loaded."""

from __future__ import annotations

from debias_pt.datasets import DATASETS, CustomData, ImageDataset, load_dataset
from debias_pt.datasets.splits import Shares
from debias_pt.settings import SourceSettings
from debias_pt.utils.stores.addresses import absolute_place


def load_source(settings: SourceSettings, *, check_counts: bool, check_images: bool) -> ImageDataset:
    """Load the images that the settings name."""
    return load_dataset(
        settings.dataset,
        settings.data_root,
        download=settings.download,
        check_counts=check_counts,
        check_images=check_images,
        cache_dir=settings.cache_dir,
        own=custom_data(settings),
    )


def data_names(settings: SourceSettings, name: str) -> dict[str, str | None]:
    """Return a data set's name and, where it is a custom one, its path."""
    known = settings.dataset in DATASETS
    return {"dataset": name, "dataset_path": None if known else absolute_place(settings.dataset)}


def custom_data(settings: SourceSettings) -> CustomData:
    """Return how to read custom data."""
    return CustomData(
        settings.image_column,
        settings.label_column,
        settings.split_column,
        settings.group_column,
        settings.attribute_column,
        settings.image_root or None,
        settings.class_name,
        Shares(settings.val_share, settings.test_share, settings.split_seed),
    )
