"""MetaShift, cats and dogs against indoor and outdoor, as SubpopBench prepares it.

Origin: Liang and Zou, 2022 (arXiv 2202.06523), from Visual Genome; the selection and the split are those of
SubpopBench (Yang et al., 2023, arXiv 2302.12254). CC BY 4.0.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from debias_pt.datasets.attributes import Attribute, TrueAttribute
from debias_pt.datasets.base import Card, DataOptions, ImageDataset, provides
from debias_pt.datasets.custom.folders import read_tree
from debias_pt.datasets.custom.listing import CustomData, Listing
from debias_pt.datasets.custom.table import read_table
from debias_pt.datasets.download.archive import Archive
from debias_pt.datasets.splits import Shares, draw
from debias_pt.datasets.wilds_reader import require_folder
from debias_pt.errors import DatasetError, DebiasWarning
from debias_pt.utils.stores.place import Place

FOLDER = "metashift"
METADATA = "metadata_metashift.csv"
TREE = "MetaShift-Cat-Dog-indoor-outdoor"
CLASSES = ("dog", "cat")
PLACES = ("outdoor", "indoor")

# Images per (class, place) in SubpopBench's metadata: dog/outdoor, dog/indoor, cat/outdoor, cat/indoor.
COUNTS = {"train": (784, 507, 196, 789), "val": (127, 75, 33, 114), "test": (273, 191, 65, 345)}
TERMS = "Liang and Zou, 2022, from Visual Genome, via SubpopBench; CC BY 4.0"
# The archive that SubpopBench downloads: the tree of images, without its metadata.
URL = "https://www.dropbox.com/s/a7k65rlj4ownyr2/metashift.tar.gz?dl=1"
CARD = Card(CLASSES, "place", PLACES, COUNTS, TERMS, archive=Archive(URL, FOLDER))

# The wording that related work publishes for this data set.
PLACE = Attribute(
    "place",
    {"outdoor": ("outdoors",), "indoor": ("indoors",)},
    templates=("a photo taken {attribute}.", "{attribute}.", "a picture taken {attribute}."),
)


@provides("metashift", CARD)
def metashift(options: DataOptions) -> ImageDataset:
    """Read MetaShift from ``root/metashift``: SubpopBench's metadata, or the bare tree of images.

    The tree of the published archive keeps the common groups in ``train`` and the rare ones in ``test``,
    and SubpopBench draws the benchmark's split from both together, in the order in which the file
    system lists them. Without its metadata, a split with the same group counts is drawn here by the
    images' names: the same on every machine, but not SubpopBench's.

    Parameters
    ----------
    options : DataOptions
        Where to look, and whether to accept other group counts.

    Returns
    -------
    ImageDataset
        3,499 images, attribute ``place`` with values outdoor and indoor.

    Raises
    ------
    DatasetError
        If neither metadata nor tree is there, or a row is not understood.
    """
    folder = require_folder(options, "metashift", FOLDER)
    metadata = folder / METADATA
    if metadata.is_file():
        return _dataset(_from_metadata(metadata))
    listing = read_tree(folder / TREE if (folder / TREE).is_dir() else folder, "place")
    if "val" in (listing.splits or ()):
        return _dataset(listing)
    warnings.warn(
        f"{folder}: without {METADATA} the split is drawn by the images' names and is not SubpopBench's",
        DebiasWarning,
        stacklevel=2,
    )
    return _dataset(listing, drawn=True)


def _from_metadata(path: Place) -> Listing:
    columns = CustomData(image_column="filename", label_column="y", split_column="split", attribute_columns=("a",))
    table = read_table(path, columns)
    labels = _named(path, "y", table.labels, CLASSES)
    places = _named(path, "a", table.attributes["a"], PLACES)
    return Listing(path, path.parent, table.ids, labels, table.splits, {"place": places})


def _named(path: Place, column: str, numbers: Sequence[str], names: tuple[str, str]) -> list[str]:
    by_number = {"0": names[0], "1": names[1]}
    words = []
    for row, number in enumerate(numbers, start=1):
        if number not in by_number:
            raise DatasetError(f"{path}: row {row} has {column} {number!r}; 0 or 1 expected")
        words.append(by_number[number])
    return words


def _dataset(listing: Listing, *, drawn: bool = False) -> ImageDataset:
    """Return classes and places as numbers, with the listing's own split or a drawn one."""
    y = _numbers(listing, "class", listing.labels, CLASSES)
    place = _numbers(listing, "place", listing.attributes.get("place", ()), PLACES)
    rule: Mapping[str, object] = {}
    split = np.array(listing.splits or (), dtype=np.dtype("U5"))
    if drawn:
        group = y * len(PLACES) + place
        rule = {"given": [], "drawn": ["val", "test"], "by": "group, in the published numbers", "seed": Shares.seed}
        split = draw(listing.ids, group, _numbers_to_draw(np.bincount(group, minlength=4)), Shares.seed)
    return ImageDataset(
        name="metashift",
        root=listing.root,
        ids=tuple(listing.ids),
        y=y,
        split=split,
        class_names=CLASSES,
        attributes={"place": TrueAttribute(PLACES, place)},
        suspects={"place": PLACE},
        split_rule=rule,
    )


def _numbers(listing: Listing, what: str, words: Sequence[str], names: tuple[str, str]) -> NDArray[np.int64]:
    numbers = {name: number for number, name in enumerate(names)}
    unknown = [word for word in words if word not in numbers]
    if unknown or len(words) != len(listing.ids):
        seen = repr(unknown[0]) if unknown else "missing"
        raise DatasetError(
            f"{listing.source}: the {what} is {seen}; folders like {CLASSES[0]}/{CLASSES[0]}({PLACES[0]})/ with "
            f"{' or '.join(names)} expected"
        )
    return np.array([numbers[word] for word in words], dtype=np.int64)


def _numbers_to_draw(sizes: NDArray[np.int64]) -> dict[int, dict[str, int]]:
    """Return the published numbers of val and test images of each group, in proportion where sizes differ."""
    counts = {}
    for group, size in enumerate(sizes.tolist()):
        whole = sum(COUNTS[split][group] for split in COUNTS)
        counts[group] = {split: round(COUNTS[split][group] * size / whole) for split in ("val", "test")}
    return counts
