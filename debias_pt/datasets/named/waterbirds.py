"""Waterbirds: land- and waterbirds pasted on land and water, read through WILDS.

Origin: Sagawa et al., 2020 (arXiv 1911.08731), from CUB-200-2011 and Places; for non-commercial
research and education only. Three CUB species are labelled as waterbirds by mistake in the official
file; it is left as it is, so that figures compare.
"""

from __future__ import annotations

from debias_pt.datasets.attributes import Attribute, TrueAttribute
from debias_pt.datasets.base import Card, DataOptions, ImageDataset, provides
from debias_pt.datasets.download.archive import Archive
from debias_pt.datasets.metadata_cache import Metadata, remembered
from debias_pt.datasets.wilds_reader import read_present, reading, require_binary, require_folder, tables_here
from debias_pt.utils.stores.place import Place

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

# The wording that related work publishes for this data set.
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
    folder = require_folder(options, "waterbirds", FOLDER, ("metadata.csv",))
    metadata = folder / "metadata.csv"
    found = remembered(options.cache_dir, [metadata], lambda: _read(options.root, metadata))
    require_binary(metadata, {"place": found.attribute, "y": found.y})
    return ImageDataset(
        name="waterbirds",
        root=folder,
        ids=found.names,
        y=found.y,
        split=found.split_names,
        class_names=CLASSES,
        attributes={"background": TrueAttribute(PLACES, found.attribute)},
        suspects={"background": BACKGROUND},
    )


def _read(root: Place, metadata: Place) -> Metadata:
    with reading(metadata, "Waterbirds'"), tables_here(root, FOLDER, ("metadata.csv",)) as here:
        raw = read_present("waterbirds_dataset", "WaterbirdsDataset", here)
        return Metadata.of(raw._input_array, raw.y_array, raw.metadata_array[:, 0], raw.split_array)
