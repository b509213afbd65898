"""``debias-pt data verify``: is a data set complete, and what is wrong with which file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from debias_pt.datasets import DATASETS, ImageDataset
from debias_pt.datasets.custom.feature_paths import holds_features
from debias_pt.datasets.download.fetch import wrong_files
from debias_pt.datasets.images import open_rgb
from debias_pt.datasets.load import group_counts, missing_images
from debias_pt.datasets.splits import SPLITS
from debias_pt.errors import ImageError, UsageError
from debias_pt.groups.groups import known_groups
from debias_pt.settings import SourceSettings
from debias_pt.utils.progress import progress
from debias_pt.utils.stores.addresses import shown
from debias_pt.workflows.source import data_names, load_source


def verify(settings: SourceSettings, *, read_images: bool = False) -> dict[str, Any]:
    """Check counts and files, without stopping at the first problem.

    Parameters
    ----------
    settings : SourceSettings
        Which data.
    read_images : bool
        Decode every image instead of only checking that its file exists.

    Returns
    -------
    dict
        ``dataset``, ``folder``, ``images``, ``splits`` (images by group, with the published number
        if there is one), ``problems`` (``where`` and ``what`` each) and ``ok``.

    Raises
    ------
    DatasetError
        If the data set cannot be listed at all.
    """
    dataset = load_source(settings, check_counts=False, check_images=False)
    splits = {split: _groups(dataset, settings.dataset, split) for split in SPLITS if (dataset.split == split).any()}
    without_images = holds_features(settings.dataset)
    if without_images and read_images:
        raise UsageError(f"--read-images: {settings.dataset} holds features, and there are no images to read; leave it "
                         "out")  # fmt: skip
    missing = [] if without_images else missing_images(dataset)
    problems = [*_wrong_files(dataset, settings), *_wrong_classes(dataset, settings)]
    problems += _wrong_counts(splits, settings.check_counts)
    problems += [{"where": dataset.ids[row], "what": "no such file"} for row in missing]
    if read_images:
        absent = set(missing)
        problems += _unreadable(dataset, [row for row in range(len(dataset)) if row not in absent], settings.workers)
    return {
        **data_names(settings, dataset.name),
        "synthetic": dataset.synthetic,
        "folder": str(dataset.root),
        "images": len(dataset),
        "read_images": read_images,
        "splits": splits,
        "split_rule": dict(dataset.split_rule),
        "problems": problems,
        "ok": not problems,
    }


def _groups(dataset: ImageDataset, name: str, split: str) -> list[dict[str, Any]]:
    """Return a split's images by group, or by class where nothing is annotated."""
    rows = dataset.split == split
    if name in DATASETS:
        card = DATASETS[name].card
        labels = [f"{label}, {value}" for label in card.class_names for value in card.values] or ["all classes"]
        pairs = zip(labels, group_counts(dataset, card, split), card.counts[split], strict=True)
        return [{"group": label, "n": n, "published": published} for label, n, published in pairs]
    index, names = known_groups(dataset)
    counts = np.bincount(index[rows], minlength=len(names)).tolist()
    return [{"group": label, "n": n} for label, n in zip(names, counts, strict=True) if n]


def _wrong_classes(dataset: ImageDataset, settings: SourceSettings) -> list[dict[str, str]]:
    published = DATASETS[settings.dataset].card.n_classes if settings.dataset in DATASETS else None
    if published in (None, len(dataset.class_names)) or not settings.check_counts:
        return []
    return [{"where": "classes", "what": f"{len(dataset.class_names)}, published are {published}"}]


def _wrong_counts(splits: dict[str, list[dict[str, Any]]], check: bool) -> list[dict[str, str]]:
    return [
        {"where": f"{split}, {row['group']}", "what": f"{row['n']} images, published are {row['published']}"}
        for split, rows in splits.items()
        for row in rows
        if check and row["n"] != row.get("published", row["n"])
    ]


def _wrong_files(dataset: ImageDataset, settings: SourceSettings) -> list[dict[str, str]]:
    archive = DATASETS[settings.dataset].card.archive if settings.dataset in DATASETS else None
    if archive is None or not settings.check_counts:
        return []
    return [{"where": name, "what": what} for name, what in wrong_files(archive, dataset.root)]


def _unreadable(dataset: ImageDataset, rows: Sequence[int], workers: int | None) -> list[dict[str, str]]:
    """Decode images in parallel (Pillow releases the GIL while it decodes)."""

    def broken(row: int) -> str | None:
        path = dataset.path(dataset.ids[row])
        try:
            open_rgb(path)
        except ImageError as error:
            return str(error).removeprefix(f"{shown(path)}: ")
        return None

    problems = []
    count = workers or os.cpu_count() or 1
    with ThreadPoolExecutor(count) as pool, progress("reading images", len(rows), "images") as advance:
        for row, what in zip(rows, pool.map(broken, rows), strict=True):
            advance(1)
            if what is not None:
                problems.append({"where": dataset.ids[row], "what": what})
    return problems
