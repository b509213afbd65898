"""Loading a data set by name or path, and the checks that all of them must pass."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from debias_pt.datasets import DATASETS
from debias_pt.datasets.base import Card, DataOptions, ImageDataset, is_synthetic
from debias_pt.datasets.custom.listing import AS_USUAL, CustomData
from debias_pt.datasets.custom.read import is_path, read_custom
from debias_pt.datasets.download.fetch import fetch
from debias_pt.datasets.splits import Shares
from debias_pt.datasets.synthetic.worlds import MARK
from debias_pt.errors import DatasetError, UsageError
from debias_pt.utils.files import default_cache_dir
from debias_pt.utils.registry import lookup
from debias_pt.utils.stores.addresses import is_remote
from debias_pt.utils.stores.place import StorePath, place


def load_dataset(
    name: str | Path,
    root: str | Path = "data",
    *,
    download: bool = False,
    check_counts: bool = True,
    check_images: bool = True,
    cache_dir: str | Path | None = None,
    own: CustomData = AS_USUAL,
) -> ImageDataset:
    """Load a registered data set by name, or a custom one by path.

    Parameters
    ----------
    name : str or Path
        A registered name such as ``"waterbirds"``; or the path of a folder or table of images, or of shards
        (``train-{0000..0009}.tar``), which may be in a store (``s3://bucket/photos``).
    root : str or Path
        The folder that holds a named data set's own folder; may be in a store.
    download : bool
        Download it if it is missing.
    check_counts : bool
        Refuse a set whose group counts differ from the published ones.
    check_images : bool
        Refuse a set with an image that is not on disk.
    cache_dir : str or Path, optional
        Where the miniatures' images are kept; default ``$DEBIAS_PT_CACHE`` or ``~/.cache/debias-pt``.
    own : CustomData
        How to read a path: columns, class names, splits.

    Raises
    ------
    UnknownNameError
        If there is no such data set.
    DatasetError
        If it is missing, incomplete, or not the published one.
    FetchError
        If it was to be downloaded and cannot be.

    Examples
    --------
    >>> load_dataset("waterbirds", "/nowhere")
    Traceback (most recent call last):
    debias_pt.errors.DatasetError: /nowhere: no such folder; give --data-root the folder that holds waterbirds_v1.0
    """
    cache = Path(cache_dir) if cache_dir else default_cache_dir()
    if str(name) not in DATASETS and is_path(str(name)):
        dataset = read_custom(name, own, cache)
    else:
        source = lookup(DATASETS, str(name), "data set")
        _refuse_custom(str(name), own)
        parent, archive = place(root), source.card.archive
        if download and archive and not (parent / archive.folder).exists():
            if isinstance(parent, StorePath):
                raise UsageError(
                    f"--data-root {parent} is in a store; --download writes to this machine: give a folder"
                )
            fetch(archive, parent, lambda folder: load_dataset(name, folder), terms=source.card.terms)
        dataset = source.load(DataOptions(parent, check_counts, cache))
        if check_counts and not source.card.synthetic:
            require_counts(dataset, source.card)
    dataset = _looked_up(dataset)
    if check_images:
        require_images(dataset)
    return replace(dataset, synthetic=is_synthetic(str(name)) or (dataset.root / MARK).exists())


def _refuse_custom(name: str, own: CustomData) -> None:
    """Refuse options for custom data, which a data set with a name would ignore."""
    own.refuse_columns(f"{name} is a data set of its own")
    if own.class_names:
        raise DatasetError(f"--class-name {own.class_names[0]} is for your own data, not for {name}; leave it out")
    if own.shares != Shares():
        raise DatasetError(f"{name} has its own splits; leave --val-share, --test-share and --split-seed out")


def group_counts(dataset: ImageDataset, card: Card, split: str) -> tuple[int, ...]:
    """Return the images of a split by class and annotated attribute, as the card counts them."""
    if card.attribute is None:
        return (int((dataset.split == split).sum()),)
    group = dataset.y * len(card.values) + dataset.attributes[card.attribute].labels
    counts = np.bincount(group[dataset.split == split], minlength=len(card.class_names) * len(card.values))
    return tuple(counts.tolist())


def require_counts(dataset: ImageDataset, card: Card) -> None:
    """Refuse a data set whose classes or group counts per split are not the published ones.

    Raises
    ------
    DatasetError
        Names the split, the counts seen and those published.
    """
    if len(dataset.class_names) != card.n_classes:
        raise DatasetError(
            f"{dataset.root}: {len(dataset.class_names)} classes, published are {card.n_classes}; this is not the "
            f"published {dataset.name} (--no-check-counts accepts it anyway)"
        )
    for split, published in card.counts.items():
        seen = group_counts(dataset, card, split)
        if seen != published:
            what = "groups" if card.attribute else "images"
            raise DatasetError(
                f"{dataset.root}: {split} has {what} {seen}, published are {published}; this is not the published "
                f"{dataset.name} (--no-check-counts accepts it anyway)"
            )


def _looked_up(dataset: ImageDataset) -> ImageDataset:
    """Return a data set with the versions of its images in stores, asked for once."""
    if isinstance(dataset.root, Path) and not dataset.files:
        return dataset
    paths = {name: dataset.path(name) for name in dataset.ids if name not in dataset.keys}
    remote = {name: path for name, path in paths.items() if is_remote(path)}
    if not remote:
        return dataset
    from debias_pt.utils.stores.versions import version_keys

    found = version_keys(list(remote.values()))
    keys = {name: found[path] for name, path in remote.items() if path in found}
    return replace(dataset, keys={**dataset.keys, **keys})


def missing_images(dataset: ImageDataset) -> list[int]:
    """Return the rows whose image is neither on disk nor in its store."""
    return [
        row
        for row, name in enumerate(dataset.ids)
        if name not in dataset.keys and not os.path.isfile(dataset.path(name))
    ]


def require_images(dataset: ImageDataset) -> None:
    """Refuse a data set with an image that is not on disk.

    Raises
    ------
    DatasetError
        Names the first missing image, its row, and how many are missing.
    """
    missing = missing_images(dataset)
    if missing:
        first = missing[0]
        advice = (
            "unpack the data set again"
            if dataset.name in DATASETS
            else "correct its paths, or say what they are relative to (--image-root)"
        )
        raise DatasetError(
            f"{dataset.root}: {len(missing)} of {len(dataset)} images are missing, first row {first + 1}, "
            f"{dataset.ids[first]!r}; {advice} (--on-bad-image skip leaves them out)"
        )
