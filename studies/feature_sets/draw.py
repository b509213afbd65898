"""Draw rows of a file of features as photographs are drawn, and write them as a file of features."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.errors import DatasetError
from debias_pt.utils.array_files import read_npz, texts
from debias_pt.utils.files import make_folder, whole_file, write_json

from ..drawn_sets.draw import rows_of
from ..drawn_sets.photos import Photo
from ..drawn_sets.sets import DrawnSet

FOLDER = "clip-vit-b32"
SPLITS = ("val", "test")  # a training row is the mean of ten views


@dataclass(frozen=True, eq=False)
class Pool:
    """The rows that sets are drawn from.

    Parameters
    ----------
    features : ndarray, shape (N, D)
        As they are in the file.
    ids : list of str
        Split and number of each row there.
    kinds : list of str
        The class of each.
    class_names : tuple of str
        Of the file.
    """

    features: NDArray[Any]
    ids: list[str]
    kinds: list[str]
    class_names: tuple[str, ...]


def pool_of(root: Path, source: str) -> Pool:
    """Return the validation and test rows of a file of features.

    Raises
    ------
    DatasetError
        If the file is not there or of another form.
    """
    path = root / FOLDER / f"{source}.npz"
    if not path.is_file():
        raise DatasetError(f"{path}: no such file; give --data-root the folder that holds {FOLDER}")
    arrays = read_npz(path)
    names = tuple(texts(path, "class_names", arrays["class_names"]))
    labels = np.concatenate([arrays[f"{split}_labels"] for split in SPLITS])
    ids = [f"{split}/{row}" for split in SPLITS for row in range(len(arrays[f"{split}_labels"]))]
    features = np.concatenate([arrays[f"{split}_features"] for split in SPLITS])
    return Pool(features, ids, [names[k] for k in labels.tolist()], names)


def write_set(name: str, chosen: DrawnSet, root: Path, out: Path, seed: int = 0) -> Path:
    """Write a set's features, and beside it the settings to read it with, which ``bench group-robustness`` takes.

    Returns
    -------
    Path
        Of the settings, ``NAME.json``; the features are ``NAME.npz``.
    """
    pool = pool_of(root, chosen.source)
    drawn = rows_of(chosen, map(Photo, pool.ids, pool.kinds), seed)
    place = {one: row for row, one in enumerate(pool.ids)}
    ids, labels, split, *values = (np.array(column) for column in zip(*drawn, strict=True))
    columns = {attribute.name: column for attribute, column in zip(chosen.attributes, values, strict=True)}
    make_folder(out)
    with whole_file(out / f"{name}.npz") as unfinished, open(unfinished, "wb") as file:
        np.savez(
            file,
            features=pool.features[[place[one] for one in ids.tolist()]],
            label=labels,
            split=split,
            id=ids,
            **columns,  # type: ignore[arg-type]
        )
    settings = {"dataset": f"{name}.npz", "attribute_column": list(columns)}
    write_json(out / f"{name}.json", settings)
    return out / f"{name}.json"
