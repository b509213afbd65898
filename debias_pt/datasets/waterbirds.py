"""Waterbirds: land- and waterbirds pasted on land and water, read through WILDS.

Origin: Sagawa et al., 2020 (arXiv 1911.08731), from CUB-200-2011 and Places; for non-commercial
research and education only. Three CUB species are labelled as waterbirds by mistake in the official
file; it is left as it is, so that figures compare.
"""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from debias_pt.attributes import Attribute
from debias_pt.datasets.archive import Archive
from debias_pt.datasets.base import Card, DataOptions, ImageDataset, provides
from debias_pt.errors import DatasetError
from debias_pt.features import SPLITS, TrueAttribute

FOLDER = "waterbirds_v1.0"
# The archive that WILDS downloads; neither its size nor its hash is published.
URL = "https://worksheets.codalab.org/rest/bundles/0x505056d5cdea4e4eaa0e242cbfe2daa4/contents/blob/"
METADATA = "2f023b9dc371f6fbb82c7cb810ff0f03e19c54c8055a2e37517ae7bb56644362"  # SHA-256
ARCHIVE = Archive(URL, FOLDER, size=None, sha256=None, files={"metadata.csv": METADATA})
CLASSES = ("landbird", "waterbird")
PLACES = ("land", "water")

# Images per (class, place) as published: landbird/land, landbird/water, waterbird/land, waterbird/water.
COUNTS = {"train": (3498, 184, 56, 1057), "val": (467, 466, 133, 133), "test": (2255, 2255, 642, 642)}
TERMS = "CUB-200-2011 and Places; non-commercial research and education only"
CARD = Card(CLASSES, "background", PLACES, COUNTS, TERMS, archive=ARCHIVE)

# The wording that neighbouring work publishes for this data set.
BACKGROUND = Attribute(
    "background",
    {
        "land": ("a land background", "a forest", "a mountain", "a wood"),
        "water": ("a water background", "an ocean", "a beach", "a port"),
    },
)


@provides("waterbirds", CARD)
def waterbirds(options: DataOptions) -> ImageDataset:
    """Read Waterbirds v1.0 in WILDS' layout, ``root/waterbirds_v1.0/metadata.csv``.

    Parameters
    ----------
    options : DataOptions
        Where to look, and whether to accept other group counts.

    Returns
    -------
    ImageDataset
        11,788 images, attribute ``background`` with values land and water.

    Raises
    ------
    DatasetError
        If it is not there, not readable, or its group counts are not the published ones.
    """
    folder = options.root / FOLDER
    if not options.root.is_dir():
        raise DatasetError(f"{options.root}: no such folder; give --data-root the folder that holds {FOLDER}")
    if folder.is_dir() and not (folder / "metadata.csv").is_file():
        raise DatasetError(
            f"{folder}: has no metadata.csv, perhaps a download that failed; remove this folder, then unpack it again "
            "or fetch it (debias-pt data fetch waterbirds)"
        )
    if not folder.is_dir():
        raise DatasetError(
            f"{folder}: not there; give --data-root the folder that holds {FOLDER}, or fetch it "
            "(debias-pt data fetch waterbirds, or --download)"
        )
    dataset = _read(options.root)
    if options.check_counts:
        require_counts(dataset)
    return dataset


def require_counts(dataset: ImageDataset) -> None:
    """Refuse a Waterbirds whose group counts per split are not the published ones."""
    group = dataset.y * len(PLACES) + dataset.attributes["background"].labels
    for split, published in COUNTS.items():
        seen = tuple(np.bincount(group[dataset.split == split], minlength=4).tolist())
        if seen != published:
            raise DatasetError(
                f"{dataset.root}: {split} has groups {seen}, published are {published}; this is not Waterbirds v1.0 "
                "(--no-check-counts takes it all the same)"
            )


@contextlib.contextmanager
def no_update_check() -> Iterator[None]:
    """Keep an import of WILDS from asking the package index, in a thread, whether there is a newer version."""
    before = sys.modules.get("outdated")
    sys.modules["outdated"] = None  # type: ignore[assignment]  # as if not installed, which WILDS allows for
    try:
        yield
    finally:
        sys.modules.pop("outdated")
        if before:
            sys.modules["outdated"] = before


def _read(root: Path) -> ImageDataset:
    metadata = root / FOLDER / "metadata.csv"
    try:
        # WILDS prints to standard output, which belongs to results, and warns of its own reading.
        with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings(), no_update_check():
            warnings.simplefilter("ignore")
            from wilds.datasets.waterbirds_dataset import WaterbirdsDataset

            class Present(WaterbirdsDataset):  # type: ignore[misc]
                """WILDS takes a folder without its RELEASE file for absent; ours is known to be there."""

                def dataset_exists_locally(self, data_dir: str, version_file: str) -> bool:
                    return True

            raw = Present(root_dir=str(root))
        place, y = raw.metadata_array[:, 0].numpy(), raw.y_array.numpy()
        split = np.array(SPLITS)[np.asarray(raw.split_array, dtype=np.int64)]
        ids = tuple(str(name) for name in raw._input_array)
    except (KeyError, ValueError, TypeError, IndexError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise DatasetError(f"{metadata}: not Waterbirds' metadata ({reason})") from error
    for column, values, names in (("place", place, PLACES), ("y", y, CLASSES)):
        bad = np.flatnonzero((values < 0) | (values >= len(names)))
        if len(bad):
            raise DatasetError(f"{metadata}: row {bad[0] + 1} has {column} {values[bad[0]]}; 0 or 1 expected")
    return ImageDataset(
        name="waterbirds",
        root=root / FOLDER,
        ids=ids,
        y=y.astype(np.int64),
        split=split,
        class_names=CLASSES,
        attributes={"background": TrueAttribute(PLACES, place.astype(np.int64))},
        suspects={"background": BACKGROUND},
    )
