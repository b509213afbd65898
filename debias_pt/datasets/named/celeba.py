"""CelebA, blond hair against gender: celebrities' faces, read through WILDS.

Origin: Liu et al., 2015 (Deep Learning Face Attributes in the Wild); the task is that of Sagawa et al., 2020
(arXiv 1911.08731). For non-commercial research only. "Male" is what annotators saw in a photograph,
one of two values; it is not a person's gender identity.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from itertools import zip_longest
from unittest.mock import patch

from debias_pt.datasets.attributes import Attribute, TrueAttribute
from debias_pt.datasets.base import Card, DataOptions, ImageDataset, provides
from debias_pt.datasets.download.archive import Archive
from debias_pt.datasets.metadata_cache import Metadata, remembered
from debias_pt.datasets.wilds_reader import (
    read_present,
    reading,
    require_binary,
    require_folder,
    tables_here,
)
from debias_pt.errors import DatasetError
from debias_pt.utils.stores.place import Place

FOLDER = "celebA_v1.0"
IMAGES = "img_align_celeba"
ATTRIBUTES, PARTITION = "list_attr_celeba.csv", "list_eval_partition.csv"
CLASSES = ("dark hair", "blond hair")
GENDERS = ("female", "male")

# Images per (class, gender) as published: dark/female, dark/male, blond/female, blond/male.
COUNTS = {
    "train": (71629, 66874, 22880, 1387),
    "val": (8535, 8276, 2874, 182),
    "test": (9767, 7535, 2480, 180),
}
TERMS = "Liu et al., 2015, via WILDS; non-commercial research purposes only"
# The archive that WILDS downloads. Its hash is not published, and its size is what WILDS says, not the server.
URL = "https://worksheets.codalab.org/rest/bundles/0xfe55077f5cd541f985ebf9ec50473293/contents/blob/"
ARCHIVE = Archive(URL, FOLDER, about=1_308_557_312)
CARD = Card(CLASSES, "gender", GENDERS, COUNTS, TERMS, archive=ARCHIVE)

# The wording that related work publishes for this data set.
GENDER = Attribute(
    "gender",
    {"female": ("a female", "a woman", "a female celebrity"), "male": ("a male", "a man", "a male celebrity")},
)


@provides("celeba", CARD)
def celeba(options: DataOptions) -> ImageDataset:
    """Read CelebA in WILDS' layout, ``root/celebA_v1.0`` with two tables and ``img_align_celeba``.

    Parameters
    ----------
    options : DataOptions
        Where to look.

    Returns
    -------
    ImageDataset
        202,599 images; not blond is called "dark hair", as in related work. Attribute
        ``gender`` with values female and male.

    Raises
    ------
    DatasetError
        If it is not there, not readable, or its two tables name different images.
    """
    folder = require_folder(options, "celeba", FOLDER, (ATTRIBUTES, PARTITION))
    tables = [folder / ATTRIBUTES, folder / PARTITION]
    found = remembered(options.cache_dir, tables, lambda: _read(options.root, folder))
    require_binary(folder / ATTRIBUTES, {"Blond_Hair": found.y, "Male": found.attribute})
    return ImageDataset(
        name="celeba",
        root=folder,
        ids=tuple(f"{IMAGES}/{name}" for name in found.names),
        y=found.y,
        split=found.split_names,
        class_names=CLASSES,
        attributes={"gender": TrueAttribute(GENDERS, found.attribute)},
        suspects={"gender": GENDER},
    )


def _read(root: Place, folder: Place) -> Metadata:
    with tables_here(root, FOLDER, (ATTRIBUTES, PARTITION)) as here:
        _require_same_images(here / FOLDER)
        with reading(folder / ATTRIBUTES, "CelebA's"):
            with _tables_that_can_be_written():
                raw = read_present("celebA_dataset", "CelebADataset", here)
            return Metadata.of(raw._input_array, raw.y_array, raw.metadata_array[:, 0], raw.split_array)


def _tables_that_can_be_written() -> AbstractContextManager[object]:
    """Allow WILDS to write into a table's values, which pandas 3 forbids."""
    import pandas as pd

    return patch.object(pd.DataFrame, "values", property(lambda table: table.to_numpy(copy=True)))


def _require_same_images(folder: Place) -> None:
    """Raise if the tables do not name the same images in the same order, which WILDS does not check."""
    import pandas as pd

    columns = []
    for file in (ATTRIBUTES, PARTITION):
        with reading(folder / file, "CelebA's"):
            columns.append(pd.read_csv(folder / file, usecols=["image_id"])["image_id"].astype(str).tolist())
    for row, (name, other) in enumerate(zip_longest(*columns, fillvalue="nothing"), start=1):
        if name != other:
            raise DatasetError(
                f"{folder / PARTITION}: row {row} is about {other}, {ATTRIBUTES} has {name} there; "
                "take both files from one source"
            )
