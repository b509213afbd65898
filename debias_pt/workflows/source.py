"""From settings to a data set: quick to import, since no model is loaded."""

from __future__ import annotations

from debias_pt.datasets import DATASETS, CustomData, ImageDataset, load_dataset
from debias_pt.datasets.custom.feature_paths import holds_features
from debias_pt.datasets.splits import Shares
from debias_pt.errors import UsageError
from debias_pt.settings import SourceSettings
from debias_pt.utils.stores.addresses import absolute_place, is_remote


def load_source(settings: SourceSettings, *, check_counts: bool, check_images: bool) -> ImageDataset:
    """Load the images that the settings name, or the features that are given in place of images."""
    if holds_features(settings.dataset):
        from debias_pt.features.files.read import read_features  # torch, which images do not need

        refuse_of_images(settings)
        return read_features(settings.dataset, custom_data(settings))
    return load_dataset(
        settings.dataset,
        settings.data_root,
        download=settings.download,
        check_counts=check_counts,
        check_images=check_images,
        cache_dir=settings.cache_dir,
        own=custom_data(settings),
    )


# The settings that say how images are found, read and encoded.
OF_IMAGES = (
    "download", "check_counts", "on_bad_image", "workers", "precision", "draft", "decode", "encode_batch_size",
)  # fmt: skip


def refuse_of_images(settings: SourceSettings) -> None:
    """Refuse settings that only images have, which features would ignore.

    Raises
    ------
    UsageError
        Names the option and its value.
    """
    if is_remote(settings.dataset):
        raise UsageError(f"{settings.dataset}: features are read from this machine; copy the file here")
    defaults = type(settings)()
    for name in OF_IMAGES:
        value = getattr(settings, name, None)
        if value != getattr(defaults, name, None):
            flag = f"--{name.replace('_', '-')}"
            flag = f"--no-{flag[2:]}" if value is False else flag if value is True else f"{flag} {value}"
            raise UsageError(f"{flag} is for images, and {settings.dataset} holds features; leave it out")


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
