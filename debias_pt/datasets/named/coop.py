"""The many-class sets that CoOp and its successors share, in CoOp's layout: images and a split in one JSON file.

Origin of splits and layout: Zhou et al., 2022 (Learning to Prompt for Vision-Language Models, arXiv 2109.01134).
Nothing is annotated but the class. The images come from the sets' own sites.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from debias_pt.datasets.base import Card, DataOptions, ImageDataset, provides
from debias_pt.datasets.coop_split import Item, read_split, read_variants
from debias_pt.datasets.splits import SPLITS
from debias_pt.datasets.wilds_reader import tables_here
from debias_pt.errors import DatasetError
from debias_pt.utils.stores.place import Place

PHOTO = "a photo of a {}."


@dataclass(frozen=True)
class CoopSet:
    """One set in CoOp's layout.

    Parameters
    ----------
    folders : tuple of str
        Names that its folder may have, CoOp's first.
    images : str
        Folder in it that the split's paths are relative to.
    split : str
        The split's JSON file; empty for FGVC-Aircraft's text files.
    template : str
        Zero-shot prompt, CoOp's.
    n_classes : int
    sizes : tuple of int
        Images in train, val and test, as published with CoOp.
    terms : str
        Origin and terms of the images.
    """

    folders: tuple[str, ...]
    images: str
    split: str
    template: str
    n_classes: int
    sizes: tuple[int, int, int]
    terms: str

    @property
    def needed(self) -> tuple[str, ...]:
        """Files that define the splits."""
        return (self.split,) if self.split else ("variants.txt", *(f"images_variant_{name}.txt" for name in SPLITS))


COOP = {
    "caltech101": CoopSet(
        ("caltech-101", "caltech101"), "101_ObjectCategories", "split_zhou_Caltech101.json", PHOTO,
        100, (4128, 1649, 2465), "Fei-Fei et al., 2004; CC BY 4.0",
    ),
    "oxford_pets": CoopSet(
        ("oxford_pets",), "images", "split_zhou_OxfordPets.json", "a photo of a {}, a type of pet.",
        37, (2944, 736, 3669), "Parkhi et al., 2012; CC BY-SA 4.0",
    ),
    "oxford_flowers": CoopSet(
        ("oxford_flowers",), "jpg", "split_zhou_OxfordFlowers.json", "a photo of a {}, a type of flower.",
        102, (4093, 1633, 2463), "Nilsback and Zisserman, 2008; no licence stated",
    ),
    "dtd": CoopSet(
        ("dtd",), "images", "split_zhou_DescribableTextures.json", "{} texture.",
        47, (2820, 1128, 1692), "Cimpoi et al., 2014; for research purposes",
    ),
    "eurosat": CoopSet(
        ("eurosat",), "2750", "split_zhou_EuroSAT.json", "a centered satellite photo of {}.",
        10, (13500, 5400, 8100), "Helber et al., 2019; MIT licence",
    ),
    "food101": CoopSet(
        ("food-101",), "images", "split_zhou_Food101.json", "a photo of {}, a type of food.",
        101, (50500, 20200, 30300), "Bossard et al., 2014; photographs of Foodspotting, see its licence agreement",
    ),
    "ucf101": CoopSet(
        ("ucf101",), "UCF-101-midframes", "split_zhou_UCF101.json", "a photo of a person doing {}.",
        101, (7639, 1898, 3783), "Soomro et al., 2012; middle frames of web videos, no licence stated",
    ),
    "stanford_cars": CoopSet(
        ("stanford_cars",), "", "split_zhou_StanfordCars.json", PHOTO,
        196, (6509, 1635, 8041), "Krause et al., 2013; for research purposes",
    ),
    "fgvc_aircraft": CoopSet(
        ("fgvc_aircraft",), "images", "", "a photo of a {}, a type of aircraft.",
        100, (3334, 3333, 3333), "Maji et al., 2013; non-commercial research purposes only",
    ),
    "sun397": CoopSet(
        ("sun397",), "SUN397", "split_zhou_SUN397.json", PHOTO,
        397, (15880, 3970, 19850), "Xiao et al., 2010; for research purposes",
    ),
}  # fmt: skip


def read_coop(name: str, of: CoopSet, options: DataOptions) -> ImageDataset:
    """Read one set; "_" in class names becomes a space, as CoOp does it.

    Parameters
    ----------
    name : str
        Of the data set.
    of : CoopSet
        The layout of its folder.
    options : DataOptions
        Where to look.

    Raises
    ------
    DatasetError
        If the folder or a split file is missing, or a split file is malformed; names the file.
    """
    folder = _require_folder(name, of, options.root)
    with tables_here(options.root, folder.name, of.needed) as root:
        here = root / folder.name
        items = read_split(here / of.split) if of.split else read_variants(here)
    names = {label: class_name for _, label, class_name in (item for split in SPLITS for item in items[split])}
    flat: list[Item] = [item for split in SPLITS for item in items[split]]
    return ImageDataset(
        name=name,
        root=folder,
        ids=tuple(f"{of.images}/{path}" if of.images else path for path, _, _ in flat),
        y=np.array([label for _, label, _ in flat], dtype=np.int64),
        split=np.repeat(np.array(SPLITS), [len(items[split]) for split in SPLITS]),
        class_names=tuple(names[label].replace("_", " ") for label in range(len(names))),
        template=of.template,
    )


def _require_folder(name: str, of: CoopSet, root: Place) -> Place:
    """Return the set's folder with the files that define its splits."""
    if not root.is_dir():
        raise DatasetError(f"{root}: no such folder; give --data-root the folder that holds {of.folders[0]}")
    found = [root / folder for folder in of.folders if (root / folder).is_dir()]
    if not found:
        raise DatasetError(
            f"{root / of.folders[0]}: not there; give --data-root the folder that holds {' or '.join(of.folders)}, as "
            "docs/data/coop.md lays it out"
        )
    complete = [folder for folder in found if all((folder / file).is_file() for file in of.needed)]
    if not complete:
        absent = next(file for file in of.needed if not (found[0] / file).is_file())
        raise DatasetError(f"{found[0]}: has no {absent}; {name} needs it, docs/data/coop.md says where to get it")
    return complete[0]


def _provide(name: str, of: CoopSet) -> None:
    counts = {split: (size,) for split, size in zip(SPLITS, of.sizes, strict=True)}
    card = Card((), None, (), counts, f"{of.terms}; splits and layout as CoOp's", n_classes=of.n_classes)

    @provides(name, card)
    def load(options: DataOptions) -> ImageDataset:
        return read_coop(name, of, options)


for _name, _of in COOP.items():
    _provide(_name, _of)
