"""Draw the rows of a set: test first, then training in the proportions that the set says, then validation."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from debias_pt.datasets.splits import shuffled
from debias_pt.errors import DatasetError
from debias_pt.utils.files import make_folder, write_csv, write_json

from .photos import SOURCES, Photo
from .sets import DrawnSet

Group = tuple[str, tuple[str, ...]]  # class, value of every attribute
Row = tuple[str, ...]  # path, label, split, values


def write_set(name: str, chosen: DrawnSet, root: Path, out: Path, seed: int = 0) -> Path:
    """Write a set's table, and beside it the settings to read it with, which ``bench group-robustness`` takes.

    Returns
    -------
    Path
        Of the settings, ``NAME.json``; the table is ``NAME.csv``.
    """
    rows = draw_rows(chosen, root, seed)
    columns = [attribute.name for attribute in chosen.attributes]
    make_folder(out)
    write_csv(out / f"{name}.csv", ["path", "label", "split", *columns], rows)
    settings = {
        "dataset": f"{name}.csv",
        "image_root": str(root.resolve()),
        "label_column": "label",
        "split_column": "split",
        "attribute_column": columns,
        "attribute": [attribute.words for attribute in chosen.attributes],
    }
    write_json(out / f"{name}.json", settings)
    return out / f"{name}.json"


def draw_rows(chosen: DrawnSet, root: Path, seed: int = 0) -> list[Row]:
    """Return the rows of a set.

    Parameters
    ----------
    chosen : DrawnSet
        What to draw.
    root : Path
        The folder that holds the data sets' own folders.
    seed : int
        Another seed draws other photographs.

    Returns
    -------
    list of tuple of str
        Path below `root`, class, split and the value of every attribute; sorted by path.

    Raises
    ------
    DatasetError
        If the photographs are not there, or too few of a group.
    """
    return rows_of(chosen, SOURCES[chosen.source](root), seed)


def rows_of(chosen: DrawnSet, photos: Iterable[Photo], seed: int = 0) -> list[Row]:
    """Return the rows of a set drawn from these photographs; see :func:`draw_rows`."""
    pools = pools_of(chosen, photos, seed)
    rows: list[Row] = []
    for label in chosen.classes:
        for group, split, number in counts(chosen, {group: len(pool) for group, pool in pools.items()}, label):
            pool = pools[group]
            rows += [(photo.path, label, split, *group[1]) for photo in pool[:number]]
            pools[group] = pool[number:]
    return sorted(rows)


def pools_of(chosen: DrawnSet, photos: Iterable[Photo], seed: int) -> dict[Group, list[Photo]]:
    """Return the photographs of every group in the order they are drawn in."""
    found = list(photos)
    pools: dict[Group, list[Photo]] = {
        (label, values): []
        for label in chosen.classes
        for values in itertools.product(*(attribute.values for attribute in chosen.attributes))
    }
    drawn: defaultdict[str, int] = defaultdict(int)
    for row in shuffled([photo.path for photo in found], seed).tolist():
        group = group_of(chosen, found[row])
        if group is not None and drawn[found[row].kind] < chosen.most_of_kind:
            drawn[found[row].kind] += 1
            pools[group].append(found[row])
    return pools


def group_of(chosen: DrawnSet, photo: Photo) -> Group | None:
    """Return a photograph's class and values, or None if it has no place in the set."""
    labels = [label for label, kinds in chosen.classes.items() if photo.kind in kinds]
    values = [
        value
        for attribute in chosen.attributes
        for value, members in attribute.values.items()
        if photo.scene in members or photo.kind in members
    ]
    return (labels[0], tuple(values)) if labels and len(values) == len(chosen.attributes) else None


def counts(chosen: DrawnSet, there: dict[Group, int], label: str) -> list[tuple[Group, str, int]]:
    """Return how many photographs of every group of a class go to each split, in the order of drawing.

    Training and test are the same whether validation is skewed or balanced.
    """
    groups = [group for group in there if group[0] == label]
    share = {group: chosen.proportion(*group) for group in groups}
    n_val = chosen.val * len(groups)
    skewed = {group: int(n_val * share[group] + 0.5) for group in groups}
    left = {group: there[group] - chosen.test - max(chosen.val, skewed[group]) for group in groups}
    total = min([chosen.most, *(int(left[group] / share[group]) for group in groups if share[group])])
    if total < 1 or min(left.values()) < 0:
        fewest = min(groups, key=left.__getitem__)
        raise DatasetError(
            f"{', '.join((label, *fewest[1]))}: {there[fewest]} photographs; "
            f"{there[fewest] - min(left.values()) + 1} or more expected"
        )
    val = skewed if chosen.skewed_val else dict.fromkeys(groups, chosen.val)
    train = {group: int(total * share[group] + 0.5) for group in groups}
    by_split = (("test", dict.fromkeys(groups, chosen.test)), ("train", train), ("val", val))
    return [(group, split, number[group]) for split, number in by_split for group in groups]
