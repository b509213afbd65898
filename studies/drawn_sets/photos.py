"""The photographs that sets are drawn from, with what their own files say of each."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from debias_pt.errors import DatasetError

PLACES = {"b/bamboo_forest": "bamboo", "f/forest/broadleaf": "broadleaf", "l/lake/natural": "lake", "o/ocean": "ocean"}


@dataclass(frozen=True)
class Photo:
    """One photograph.

    Parameters
    ----------
    path : str
        Below the data root.
    kind : str
        The finest thing its data set knows about what it shows: a bird's family, an object's category.
    scene : str
        What its data set knows beside: the place pasted behind a bird, the style of a picture; else empty.
    """

    path: str
    kind: str
    scene: str = ""


def waterbirds(root: Path) -> Iterator[Photo]:
    """Yield Waterbirds: the last word of the species (``Gull``), and one of four places."""
    folder = "waterbirds_v1.0"
    for row in _rows(root / folder / "metadata.csv"):
        species = row["img_filename"].split("/")[0]
        place = "/".join(row["place_filename"].strip("/").split("/")[:-1])
        yield Photo(f"{folder}/{row['img_filename']}", species.split("_")[-1].split(".")[-1], PLACES[place])


def pacs(root: Path) -> Iterator[Photo]:
    """Yield PACS, ``pacs/STYLE/CLASS/*``: the class, and one of four styles."""
    for path in _images(root, "pacs", "*/*/*"):
        yield Photo(path.relative_to(root).as_posix(), path.parent.name, path.parent.parent.name)


def caltech101(root: Path) -> Iterator[Photo]:
    """Yield Caltech101: a category, and no scene; what is said of one beside its category is the category's."""
    for path in _images(root, "caltech101/101_ObjectCategories", "*/*"):
        yield Photo(path.relative_to(root).as_posix(), path.parent.name)


SOURCES: dict[str, Callable[[Path], Iterator[Photo]]] = {
    "waterbirds": waterbirds,
    "pacs": pacs,
    "caltech101": caltech101,
}


def _images(root: Path, folder: str, pattern: str) -> list[Path]:
    if not (root / folder).is_dir():
        raise DatasetError(f"{root / folder}: no such folder; give --data-root the folder that holds {folder}")
    return sorted(path for path in (root / folder).glob(pattern) if path.suffix.lower() in (".jpg", ".jpeg", ".png"))


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with open(path, newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    except OSError as error:
        raise DatasetError(
            f"{path}: cannot read this table ({error.strerror or error}); "
            f"give --data-root the folder that holds {path.parent.name}"
        ) from error
