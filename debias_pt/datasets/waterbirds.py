"""Waterbirds: land- and waterbirds pasted on land and water, read through WILDS.

Origin: Sagawa et al., 2020 (arXiv 1911.08731), from CUB-200-2011 and Places; for non-commercial
research and education only. Three CUB species are labelled as waterbirds by mistake in the official
file; it is left as it is, so that figures compare.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import numpy as np

from debias_pt.attributes import Attribute
from debias_pt.datasets.base import Card, ImageDataset, provides
from debias_pt.datasets.loading import require_counts, require_images
from debias_pt.datasets.options import DataOptions
from debias_pt.datasets.published import read_present, reading, require_binary, require_folder
from debias_pt.errors import DatasetError
from debias_pt.features import SPLITS, TrueAttribute
from debias_pt.files import temporary_folder

FOLDER = "waterbirds_v1.0"
CLASSES = ("landbird", "waterbird")
PLACES = ("land", "water")

# Images per (class, place) as published: landbird/land, landbird/water, waterbird/land, waterbird/water.
COUNTS = {"train": (3498, 184, 56, 1057), "val": (467, 466, 133, 133), "test": (2255, 2255, 642, 642)}
CARD = Card(
    CLASSES, "background", PLACES, COUNTS, "CUB-200-2011 and Places; non-commercial research and education only"
)

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
        Where to look, and whether to download or to accept other group counts.

    Returns
    -------
    ImageDataset
        11,788 images, attribute ``background`` with values land and water.

    Raises
    ------
    DatasetError
        If it is not there, not readable, or its group counts are not the published ones.
    """
    if options.download and not (options.root / FOLDER).exists():
        _download(options.root)
    require_folder(options, FOLDER, ("metadata.csv",))
    return _read(options.root)


def _read(root: Path) -> ImageDataset:
    metadata = root / FOLDER / "metadata.csv"
    with reading(metadata, "Waterbirds'"):
        from wilds.datasets.waterbirds_dataset import WaterbirdsDataset

        raw = read_present(WaterbirdsDataset, root)
        place, y = raw.metadata_array[:, 0].numpy(), raw.y_array.numpy()
        split = np.array(SPLITS)[np.asarray(raw.split_array, dtype=np.int64)]
        ids = tuple(str(name) for name in raw._input_array)
    require_binary(metadata, {"place": place, "y": y})
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


def _download(root: Path) -> None:
    """Download through WILDS into a temporary folder, check what came, and only then rename it.

    WILDS swallows a failed download and leaves a broken folder behind.
    """
    with temporary_folder(root, "--data-root") as temporary:
        with contextlib.redirect_stdout(sys.stderr):
            from wilds.datasets.waterbirds_dataset import WaterbirdsDataset

            with contextlib.suppress(Exception):  # WILDS prints the cause, then dies of what is missing
                WaterbirdsDataset(root_dir=str(temporary), download=True)
        if not (temporary / FOLDER / "metadata.csv").is_file():
            raise DatasetError(
                f"{root / FOLDER}: the download failed, nothing usable came (see above); fetch waterbirds_v1.0 by hand "
                "(wilds.stanford.edu/downloads) and unpack it there"
            )
        dataset = _read(temporary)
        require_counts(dataset, CARD)
        require_images(dataset)
        (temporary / FOLDER).rename(root / FOLDER)
