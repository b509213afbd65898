"""Folders like Hugging Face's imagefolder: ``metadata.csv`` next to the images, or one in every split."""

from __future__ import annotations

import warnings
from pathlib import PurePosixPath

from debias_pt.datasets.custom.listing import AS_USUAL, CustomData, Listing
from debias_pt.datasets.custom.table import read_table
from debias_pt.datasets.image_files import find_images
from debias_pt.datasets.splits import split_of
from debias_pt.errors import DatasetError, DebiasWarning
from debias_pt.utils.stores.place import Place, below

NAMES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")


def metadata_files(root: Place) -> list[Place]:
    """Return a folder's metadata file, or those of its split folders; empty if it has none."""
    here = [root / name for name in NAMES if (root / name).is_file()]
    return here or [folder / name for folder in _split_folders(root) for name in NAMES if (folder / name).is_file()]


def read_imagefolder(root: Place, own: CustomData = AS_USUAL) -> Listing:
    """List the images that a folder's metadata names.

    A split is what the metadata says, else the split folder that a metadata file or an image lies in.

    Raises
    ------
    DatasetError
        If a table cannot be read, or the tables of several splits have different columns.
    """
    tables = [_below(root, read_table(path, own), path.parent) for path in metadata_files(root)]
    ids = [name for table in tables for name in table.ids]
    columns = {tuple(table.attributes) for table in tables} | {(table.splits is None,) for table in tables}
    if len(columns) > 2:
        raise DatasetError(f"{root}: the metadata files of its splits have different columns; give all the same")
    listing = Listing(
        root,
        root,
        ids,
        [label for table in tables for label in table.labels],
        _splits(ids, tables),
        {name: [value for table in tables for value in table.attributes[name]] for name in tables[0].attributes},
        {name: address for table in tables for name, address in table.files.items()},
    )
    _warn_of_others(root, ids)
    return listing


def _split_folders(root: Place) -> list[Place]:
    return sorted((folder for folder in root.iterdir() if split_of(folder.name) and folder.is_dir()), key=str)


def _below(root: Place, table: Listing, folder: Place) -> Listing:
    """Return a table with its paths relative to the whole folder."""
    way = PurePosixPath(below(folder, root))
    ids = [name if name in table.files else (way / name).as_posix() for name in table.ids]
    return Listing(table.source, root, ids, table.labels, table.splits, table.attributes, table.files)


def _splits(ids: list[str], tables: list[Listing]) -> list[str] | None:
    if tables[0].splits is not None:
        return [split for table in tables for split in table.splits or ()]
    by_folder = [split_of(name.split("/")[0]) if "/" in name else None for name in ids]
    return [split or "" for split in by_folder] if all(by_folder) else None


def _warn_of_others(root: Place, ids: list[str]) -> None:
    named = set(ids)
    left_out = [name for path in find_images(root)[0] if (name := below(path, root)) not in named]
    if left_out:
        warnings.warn(
            f"{root}: {len(left_out)} images are in no metadata file and left out, first {left_out[0]!r}",
            DebiasWarning,
            stacklevel=3,
        )
