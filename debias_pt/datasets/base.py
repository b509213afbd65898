"""What every data set looks like once it is read: paths, labels, splits, and words to probe with."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from debias_pt.attributes import Attribute
from debias_pt.cache import default_cache_dir
from debias_pt.datasets.archive import Archive
from debias_pt.datasets.fetch import fetch
from debias_pt.errors import DatasetError
from debias_pt.features import TrueAttribute
from debias_pt.registry import lookup, register


@dataclass(frozen=True)
class ImageDataset:
    """A labelled image collection on disk.

    Parameters
    ----------
    name : str
        As typed on the command line.
    root : Path
        Folder that `ids` are relative to.
    ids : tuple of str
        Image paths below `root`, unique; N of them.
    y : ndarray of int, shape (N,)
        Class labels.
    split : ndarray of str, shape (N,)
        ``"train"``, ``"val"`` or ``"test"``.
    class_names : tuple of str
        As they stand in prompts.
    attributes : mapping of str to TrueAttribute
        Annotated attributes, where known.
    suspects : mapping of str to Attribute
        Attributes worth asking the probe about, with their wording; the first is the default.
    """

    name: str
    root: Path
    ids: tuple[str, ...]
    y: NDArray[np.int64]
    split: NDArray[np.str_]
    class_names: tuple[str, ...]
    attributes: Mapping[str, TrueAttribute] = field(default_factory=dict)
    suspects: Mapping[str, Attribute] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class DataOptions:
    """How to find a data set.

    Parameters
    ----------
    root : Path
        The folder that holds the data set's own folder.
    check_counts : bool
        Refuse a set whose group counts are not the published ones.
    cache_dir : Path
        Where drawn images are kept.
    """

    root: Path = Path("data")
    check_counts: bool = True
    cache_dir: Path = field(default_factory=default_cache_dir)


@dataclass(frozen=True)
class Card:
    """What is known of a data set without reading it.

    Parameters
    ----------
    class_names : tuple of str
        As they stand in prompts.
    attribute : str
        The annotated attribute that goes with the class in training.
    values : tuple of str
        Its values.
    counts : mapping of str to tuple of int
        For each split the images by group, ``class * len(values) + value``.
    terms : str
        Where it comes from and on what terms, in a line.
    synthetic : bool
        Drawn by a program; every output says so.
    model : tuple of str or None
        Model and weights to use where none are named.
    archive : Archive or None
        Where it can be fetched.
    """

    class_names: tuple[str, ...]
    attribute: str
    values: tuple[str, ...]
    counts: Mapping[str, tuple[int, ...]]
    terms: str
    synthetic: bool = False
    model: tuple[str, str | None] = ("ViT-B-32-quickgelu", "openai")
    archive: Archive | None = None


Loader = Callable[[DataOptions], ImageDataset]


@dataclass(frozen=True)
class Source:
    """A data set as it is registered: its card, and the function that reads it."""

    card: Card
    load: Loader


DATASETS: dict[str, Source] = {}


def provides(name: str, card: Card) -> Callable[[Loader], Loader]:
    """Return a decorator that registers the loader of a data set."""

    def add(load: Loader) -> Loader:
        register(DATASETS, name)(Source(card, load))
        return load

    return add


def is_synthetic(name: str) -> bool:
    """Return whether a data set was drawn by a program."""
    return name in DATASETS and DATASETS[name].card.synthetic


def load_dataset(
    name: str,
    root: str | Path = "data",
    *,
    download: bool = False,
    check_counts: bool = True,
    cache_dir: str | Path | None = None,
) -> ImageDataset:
    """Load a data set by name.

    Parameters
    ----------
    name : str
        A registered name, ``"waterbirds"`` for one.
    root : str or Path
        The folder that holds the data set's own folder.
    download : bool
        Fetch it if it is not there.
    check_counts : bool
        Refuse a set whose group counts are not the published ones.
    cache_dir : str or Path, optional
        Where the miniatures' images are kept; default ``$DEBIAS_PT_CACHE`` or ``~/.cache/debias-pt``.

    Raises
    ------
    UnknownNameError
        If there is no such data set.
    DatasetError
        If it is missing, incomplete, or not the published one.
    FetchError
        If it was to be downloaded and cannot be had.

    Examples
    --------
    >>> load_dataset("waterbirds", "/nowhere")
    Traceback (most recent call last):
    debias_pt.errors.DatasetError: /nowhere: no such folder; give --data-root the folder that holds waterbirds_v1.0
    """
    place = Path(cache_dir) if cache_dir else default_cache_dir()
    source = lookup(DATASETS, name, "data set")
    archive = source.card.archive
    if download and archive and not (Path(root) / archive.folder).exists():
        fetch(archive, Path(root), lambda parent: load_dataset(name, parent), terms=source.card.terms)
    dataset = source.load(DataOptions(Path(root), check_counts, place))
    require_images(dataset)
    return dataset


def require_images(dataset: ImageDataset) -> None:
    """Refuse a data set with an image that is not on disk.

    Raises
    ------
    DatasetError
        Names the first missing image, its row, and how many are missing.
    """
    missing = [row for row, name in enumerate(dataset.ids) if not os.path.isfile(os.path.join(dataset.root, name))]
    if missing:
        first = missing[0]
        raise DatasetError(
            f"{dataset.root}: {len(missing)} of {len(dataset)} images are missing, first row {first + 1}, "
            f"{dataset.ids[first]!r}; unpack the data set again"
        )
