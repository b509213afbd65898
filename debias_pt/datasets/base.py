"""The form that every data set is read into (paths, labels, splits, words to probe with), and their registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from os.path import join
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.datasets import DATASETS
from debias_pt.datasets.attributes import Attribute, TrueAttribute
from debias_pt.datasets.download.archive import Archive
from debias_pt.datasets.splits import SPLITS
from debias_pt.errors import DatasetError
from debias_pt.utils.files import default_cache_dir
from debias_pt.utils.registry import register
from debias_pt.utils.stores.place import Place, StorePath
from debias_pt.utils.words import first_of

# Model and weights if neither the data set nor the user names any.
DEFAULT_MODEL: tuple[str, str | None] = ("ViT-B-32-quickgelu", "openai")


@dataclass(frozen=True, repr=False)
class ImageDataset:
    """A labelled image collection, on disk or in a store.

    Parameters
    ----------
    name : str
        As typed on the command line.
    root : Path or StorePath
        Folder that `ids` are relative to.
    ids : tuple of str
        Image paths below `root`, unique; N of them.
    y : ndarray of int, shape (N,)
        Class labels.
    split : ndarray of str, shape (N,)
        ``"train"``, ``"val"`` or ``"test"``.
    class_names : tuple of str
        As used in prompts.
    attributes : mapping of str to TrueAttribute
        Annotated attributes, where known.
    suspects : mapping of str to Attribute
        Attributes worth asking the probe about, with their wording; the first is the default.
    split_rule : mapping
        How the splits were made, as plain JSON, if they are not the data set's own.
    synthetic : bool
        Drawn by a program.
    template : str
        Zero-shot prompt, ``{}`` standing for the class name.
    files : mapping of str to str
        Addresses, by id, of those images that are not at ``root / id``.
    keys : mapping of str to str
        Of images in stores and tar files, by id: the key of a version, empty if only its content tells versions.
    """

    name: str
    root: Place
    ids: tuple[str, ...]
    y: NDArray[np.int64]
    split: NDArray[np.str_]
    class_names: tuple[str, ...]
    attributes: Mapping[str, TrueAttribute] = field(default_factory=dict)
    suspects: Mapping[str, Attribute] = field(default_factory=dict)
    split_rule: Mapping[str, object] = field(default_factory=dict)
    synthetic: bool = False
    template: str = "a photo of a {}."
    files: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)

    def path(self, name: str) -> str:
        """Return where an image is, by its id: a path, or an address that may carry a signature."""
        if name in self.files:
            return self.files[name]
        return (self.root / name).url if isinstance(self.root, StorePath) else join(self.root, name)

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        """Name the data set, its size, splits, classes and annotations: never its rows."""
        return described(self)

    def rows(self, kept: Sequence[int]) -> ImageDataset:
        """Return the data set with these rows only, in this order."""
        index = np.asarray(kept, dtype=np.int64)
        return replace(
            self,
            ids=tuple(self.ids[row] for row in kept),
            y=self.y[index],
            split=self.split[index],
            attributes={name: true.rows(index) for name, true in self.attributes.items()},
        )


def described(data: Any, more: str = "") -> str:
    """Return a line on images and what is known of them, for a ``repr``."""
    counts = {split: int((data.split == split).sum()) for split in SPLITS}
    splits = ", ".join(f"{split} {n}" for split, n in counts.items() if n)
    classes = f"{len(data.class_names)} classes ({first_of(data.class_names, 4)})"
    known = f"; annotated: {', '.join(data.attributes)}" if data.attributes else ""
    return f"{type(data).__name__}({data.name}: {len(data)} images{more}; {splits}; {classes}{known})"


def require_classes(name: str, class_names: Sequence[str]) -> None:
    """Refuse to train on fewer than two classes.

    Raises
    ------
    DatasetError
        Names the one class there is.
    """
    if len(class_names) < 2:
        raise DatasetError(
            f"{name}: has one class ({class_names[0]!r}); two or more expected, to tell one from another"
        )


@dataclass(frozen=True)
class DataOptions:
    """How to find a data set.

    Parameters
    ----------
    root : Path or StorePath
        The folder that holds the data set's own folder.
    check_counts : bool
        Refuse a set whose group counts differ from the published ones.
    cache_dir : Path
        Where drawn images are kept.
    """

    root: Place = Path("data")
    check_counts: bool = True
    cache_dir: Path = field(default_factory=default_cache_dir)


@dataclass(frozen=True)
class Card:
    """What is known of a data set without reading it.

    Parameters
    ----------
    class_names : tuple of str
        As used in prompts; empty if only the set's own files give them.
    attribute : str or None
        The annotated attribute that goes with the class in training; None if nothing is annotated.
    values : tuple of str
        Its values.
    counts : mapping of str to tuple of int
        For each split the images by group, ``class * len(values) + value``; without attribute, all together.
    terms : str
        Where it comes from and on what terms, in a line.
    synthetic : bool
        Drawn by a program; every output says so.
    model : tuple of str or None
        Model and weights to use if none are named.
    archive : Archive or None
        Where it can be downloaded.
    n_classes : int
        K; needed where `class_names` is empty.
    """

    class_names: tuple[str, ...]
    attribute: str | None
    values: tuple[str, ...]
    counts: Mapping[str, tuple[int, ...]]
    terms: str
    synthetic: bool = False
    model: tuple[str, str | None] = DEFAULT_MODEL
    archive: Archive | None = None
    n_classes: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "n_classes", self.n_classes or len(self.class_names))


Loader = Callable[[DataOptions], ImageDataset]


@dataclass(frozen=True)
class Source:
    """A data set as it is registered: its card, and the function that reads it."""

    card: Card
    load: Loader


def provides(name: str, card: Card) -> Callable[[Loader], Loader]:
    """Return a decorator that registers the loader of a data set."""

    def add(load: Loader) -> Loader:
        register(DATASETS, name)(Source(card, load))
        return load

    return add


def is_synthetic(name: str) -> bool:
    """Return whether a data set was drawn by a program."""
    return name in DATASETS and DATASETS[name].card.synthetic
