"""Folder trees: ``[split/]class/*.jpg``, and ``[split/]class/class(attribute)/*.jpg`` where that is annotated."""

from __future__ import annotations

import re
import warnings

from debias_pt.datasets.custom.listing import Listing
from debias_pt.datasets.image_files import find_images
from debias_pt.datasets.splits import split_of
from debias_pt.errors import DatasetError, DebiasWarning
from debias_pt.utils.stores.place import Place, below


def read_tree(root: Place, attribute: str = "attribute") -> Listing:
    """List the images of a folder tree.

    Parameters
    ----------
    root : Path or StorePath
        Holds a folder per class, or folders ``train``, ``val``, ``test`` that do.
    attribute : str
        What to call the attribute that folders ``class(value)`` name, if there are such.

    Raises
    ------
    DatasetError
        If images lie outside class folders, or some have an attribute and others none.
    """
    found, others = find_images(root)
    if others:
        warnings.warn(
            f"{root}: {len(others)} files have no image extension and are left out, first {others[0]}",
            DebiasWarning,
            stacklevel=2,
        )
    ids = [below(path, root) for path in found]
    parts = [name.split("/") for name in ids]
    with_splits = bool(parts) and all(split_of(part[0]) for part in parts)
    depth = 1 if with_splits else 0
    for name, part in zip(ids, parts, strict=True):
        if len(part) < depth + 2:
            place = "a split's" if with_splits else "the"
            raise DatasetError(
                f"{root}: the image {name!r} lies in {place} folder itself; put it into a class's folder"
            )
    labels = [part[depth] for part in parts]
    splits = [split_of(part[0]) or "" for part in parts] if with_splits else None
    values = [_value(label, part[depth + 1]) for label, part in zip(labels, parts, strict=True)]
    return Listing(root, root, ids, labels, splits, _annotated(root, attribute, ids, values))


def _value(label: str, folder: str) -> str | None:
    """Return ``indoor`` for the class ``cat`` and the folder ``cat(indoor)``."""
    match = re.fullmatch(rf"{re.escape(label)}\((.+)\)", folder)
    return match[1] if match else None


def _annotated(root: Place, attribute: str, ids: list[str], values: list[str | None]) -> dict[str, list[str]]:
    known = [value for value in values if value is not None]
    if not known:
        return {}
    if len(known) < len(values):
        raise DatasetError(
            f"{root}: {len(known)} images lie in folders like 'class(attribute)' and others do "
            f"not, first {ids[values.index(None)]!r}; annotate all or none"
        )
    return {attribute: known}
