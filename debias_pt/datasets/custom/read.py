"""Somebody's own images: a folder tree, a table, or a folder with metadata, by its path."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from os.path import exists
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from debias_pt.datasets.attributes import Attribute, TrueAttribute, in_order, is_number
from debias_pt.datasets.base import ImageDataset
from debias_pt.datasets.custom.feature_paths import ARRAYS
from debias_pt.datasets.custom.folders import read_tree
from debias_pt.datasets.custom.imagefolder import metadata_files, read_imagefolder
from debias_pt.datasets.custom.listing import AS_USUAL, CustomData, Listing
from debias_pt.datasets.custom.table import ENDINGS, read_table
from debias_pt.datasets.splits import Shares, complete
from debias_pt.errors import DatasetError, DebiasWarning
from debias_pt.utils.stores.addresses import is_shards, short_name
from debias_pt.utils.stores.place import Place, place


def is_path(name: str) -> bool:
    """Return whether a data set's name is meant as a path.

    Examples
    --------
    >>> is_path("waterbirds"), is_path("photos.csv"), is_path("./waterbirds")
    (False, True, True)
    """
    return exists(name) or "/" in name or "\\" in name or name.lower().endswith((*ENDINGS, *ARRAYS, ".tar"))


def read_custom(where: str | Path, own: CustomData = AS_USUAL, cache_dir: Path | None = None) -> ImageDataset:
    """Read a folder or a table of images.

    Parameters
    ----------
    where : str or Path
        A folder ``[split/]class/*.jpg``; a folder with ``metadata.csv``, ``.jsonl`` or ``.parquet``
        (Hugging Face's imagefolder); a table ending in .csv, .tsv, .jsonl or .parquet; or shards ending in .tar.
        Each may be an address in a store.
    own : CustomData
        Which column is what, what labels mean, and how to draw splits that are not given.
    cache_dir : Path, optional
        Where to remember what is in shards.

    Returns
    -------
    ImageDataset
        Splits that are not given are drawn from the training images, stratified by class and by annotated attributes.

    Raises
    ------
    DatasetError
        If it is missing or of another form; says what was found and what to do.
    """
    return from_listing(str(where), _listing(str(where), own, cache_dir), own)


def from_listing(
    path: str, listing: Listing, own: CustomData = AS_USUAL, known: tuple[str, ...] | None = None
) -> ImageDataset:
    """Make a data set of what a path lists; splits that are not given are drawn.

    Parameters
    ----------
    path : str
        As typed.
    listing : Listing
    own : CustomData
        What labels mean, and how to draw splits.
    known : tuple of str, optional
        The labels in the order of the classes, where that is known. They are the class names then, and may be numbers:
        what has such an order is features, of which not every head reads names.
    """
    labels, class_names = _classes(listing, own.class_names, known)
    attributes = {name: TrueAttribute.of(values) for name, values in listing.attributes.items()}
    annotated = {name: true.labels for name, true in attributes.items()}
    split, rule = complete(listing.ids, labels, listing.splits, own.shares, annotated)
    _refuse_shares(path, own, rule)
    _warn_of_untrained(path, labels[split == "train"], class_names)
    group = own.group_column or "group"
    return ImageDataset(
        name=short_name(path),
        root=listing.root,
        ids=tuple(listing.ids),
        y=labels,
        split=split,
        class_names=class_names,
        attributes=attributes,
        suspects={name: _suspect(name, true) for name, true in attributes.items() if name != group and _in_words(true)},
        split_rule=rule,
        files=listing.files,
        keys=listing.keys,
    )


def _listing(text: str, own: CustomData, cache_dir: Path | None) -> Listing:
    if is_shards(text):
        from debias_pt.datasets.shards.listing import read_shards  # needs webdataset

        return read_shards(text, own, cache_dir)
    return _read(place(text), own)


def _read(path: Place, own: CustomData) -> Listing:
    table = path.suffix.lower() in ENDINGS
    if path.is_dir() and not (table and path.is_file()):
        if metadata_files(path):
            return read_imagefolder(path, own)
        own.refuse_columns(f"{path} is a folder of class folders")
        return read_tree(path)
    if not path.exists():
        raise DatasetError(f"{path}: no such file or folder; give a folder of images or a table")
    if not table:
        what = (
            "holds features, not images: debias-pt and debias_pt.train take it"
            if path.suffix in ARRAYS
            else (f"ends in {path.suffix or 'nothing'!r}; give a folder, or a table ({', '.join(ENDINGS)})")
        )
        raise DatasetError(f"{path}: {what}")
    return read_table(path, own)


def _classes(
    listing: Listing, renamed: Sequence[str], given: tuple[str, ...] | None = None
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return class numbers, and names for prompts."""
    known = given or in_order(listing.labels)
    words = {label: label if given else label.replace("_", " ") for label in known}
    for text in renamed:
        label, equals, name = text.partition("=")
        if not equals or not name.strip() or label not in words:
            raise DatasetError(
                f"--class-name {text!r} is not of the form LABEL=WORDS with a label of {listing.source} "
                f"({', '.join(known[:8])}{', ...' if len(known) > 8 else ''})"
            )
        words[label] = name.strip()
    numbers = [label for label, word in words.items() if is_number(word)]
    if numbers and not given:
        raise DatasetError(
            f"{listing.source}: the label {numbers[0]!r} is a number, which means nothing in a prompt; say what it is: "
            f"--class-name {numbers[0]}=WORDS, for every label"
        )
    number = {label: k for k, label in enumerate(known)}
    return np.array([number[label] for label in listing.labels], dtype=np.int64), tuple(words.values())


def _refuse_shares(path: str, own: CustomData, rule: Mapping[str, object]) -> None:
    """Refuse a share of a split that is given: it would be ignored."""
    drawn = rule["drawn"]
    assert isinstance(drawn, list)
    for name in ("val", "test"):
        if name not in drawn and getattr(own.shares, name) != getattr(Shares(), name):
            raise DatasetError(
                f"--{name}-share is {getattr(own.shares, name):g}, but {path} gives the {name} split; leave it out"
            )


def _in_words(true: TrueAttribute) -> bool:
    return len(true.values) > 1 and not any(map(is_number, true.values))


def _suspect(name: str, true: TrueAttribute) -> Attribute:
    """Return the default wording: an annotated value is described by its own name."""
    return Attribute(name, {value: (value.replace("_", " "),) for value in true.values})


def _warn_of_untrained(path: str, y: NDArray[np.int64], class_names: tuple[str, ...]) -> None:
    present = set(y.tolist())
    missing = [name for k, name in enumerate(class_names) if k not in present]
    if missing:
        warnings.warn(f"{path}: no training image of {', '.join(missing)}", DebiasWarning, stacklevel=3)
