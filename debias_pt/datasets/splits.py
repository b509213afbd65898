"""Splits: their names, and drawing those that a data set does not give."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from debias_pt.errors import DatasetError, UsageError
from debias_pt.settings import SPLITS as SPLITS
from debias_pt.settings import require_choice
from debias_pt.utils.words import counted


@dataclass(frozen=True)
class Shares:
    """How much of every class is drawn for a split that is not given.

    Parameters
    ----------
    val, test : float
        Shares of the images that a split is drawn from; what is left is for training.
    seed : int
        Another seed draws other images.
    """

    val: float = 0.15
    test: float = 0.15
    seed: int = 0

    def __post_init__(self) -> None:
        if self.val < 0 or self.test <= 0 or self.val + self.test >= 1:
            raise UsageError(
                f"shares are {self.val:g} for val and {self.test:g} for test; 0 or more for val, above 0 for test, and "
                "together below 1 expected"
            )


def shuffled(ids: Sequence[str], seed: int) -> NDArray[np.int64]:
    """Return the rows in the order of their names' hashes, shape ``(N,)``.

    Examples
    --------
    >>> [["a", "b", "c"][row] for row in shuffled(["a", "b", "c"], seed=1)]
    ['b', 'c', 'a']
    >>> [["c", "b", "a"][row] for row in shuffled(["c", "b", "a"], seed=1)]
    ['b', 'c', 'a']
    """
    keys = [hashlib.sha256(f"{seed}\n{name}".encode()).digest() for name in ids]
    return np.array(sorted(range(len(ids)), key=keys.__getitem__), dtype=np.int64)


def draw(
    ids: Sequence[str], strata: NDArray[np.int64], counts: Mapping[int, Mapping[str, int]], seed: int
) -> NDArray[np.str_]:
    """Draw splits with given numbers from every stratum; what is left is for training.

    Parameters
    ----------
    ids : sequence of str
        N names.
    strata : ndarray of int, shape (N,)
        What to draw from separately: the classes, or the groups.
    counts : mapping of int to mapping of str to int
        For each stratum the number of images of each drawn split.
    seed : int
        Of the draw.

    Returns
    -------
    ndarray of str, shape (N,)
    """
    split = np.full(len(ids), "train", dtype=np.dtype("U5"))
    order = shuffled(ids, seed)
    for stratum, wanted in counts.items():
        members = order[strata[order] == stratum]
        for name, number in wanted.items():
            split[members[:number]] = name
            members = members[number:]
    return split


def complete(
    ids: Sequence[str],
    y: NDArray[np.int64],
    given: Sequence[str] | None,
    shares: Shares,
    attributes: Mapping[str, NDArray[np.int64]] | None = None,
) -> tuple[NDArray[np.str_], dict[str, object]]:
    """Return every image's split, drawing those splits that are not given from the training images.

    Parameters
    ----------
    ids : sequence of str
        N names.
    y : ndarray of int, shape (N,)
        Class labels, which the draw is stratified by.
    given : sequence of str or None
        Splits as given.
    shares : Shares
        What to draw.
    attributes : mapping of str to ndarray of int, shape (N,), optional
        Annotated attributes, which the draw is stratified by as well: a rare combination is not left to luck.

    Returns
    -------
    split : ndarray of str, shape (N,)
    rule : dict
        How it came about: ``given``, ``drawn``, and the shares and the seed of what was drawn; ``stratified_by`` names
        class and attributes, where there are any.

    Raises
    ------
    DatasetError
        If splits are given but none is for training, or a class is too small to draw from.
    """
    split = np.array(["train"] * len(ids) if given is None else list(given), dtype=np.dtype("U5"))
    present = set() if given is None else set(split.tolist())
    drawn = [name for name in SPLITS[1:] if name not in present and getattr(shares, name) > 0]
    rule: dict[str, object] = {"given": [name for name in SPLITS if name in present], "drawn": drawn}
    if present and "train" not in present:
        raise DatasetError(
            f"the splits given are {', '.join(sorted(present))}; there must be one for training, 'train'"
        )
    if not drawn:
        return split, rule
    rows = np.flatnonzero(split == "train")
    rule |= {**{name: getattr(shares, name) for name in drawn}, "seed": shares.seed}
    names = [ids[row] for row in rows.tolist()]
    by_class = draw(names, y[rows], _counts(y[rows], drawn, shares), shares.seed)
    if not attributes:
        split[rows] = by_class
        return split, rule
    columns = [y[rows], *(values[rows] for values in attributes.values())]
    groups = np.unique(np.stack(columns), axis=1, return_inverse=True)[1].reshape(-1).astype(np.int64)
    by_group = draw(names, groups, _counts(groups, drawn, shares, few=True), shares.seed)
    if any(set(y[rows][by_class == name]) - set(y[rows][by_group == name]) for name in drawn):
        split[rows] = by_class  # groups of one or two images each would leave a class out
        return split, rule
    split[rows] = by_group
    return split, {**rule, "stratified_by": ["class", *attributes]}


def _counts(
    strata: NDArray[np.int64], drawn: Sequence[str], shares: Shares, *, few: bool = False
) -> dict[int, dict[str, int]]:
    """Return how many images of every stratum go to each drawn split; a small stratum is an error unless `few`."""
    sizes = zip(*np.unique(strata, return_counts=True), strict=True)
    return {
        int(stratum): _few_numbers(int(n), drawn) if few and n <= len(drawn) else _numbers(int(n), drawn, shares)
        for stratum, n in sizes
    }


def _few_numbers(n: int, drawn: Sequence[str]) -> dict[str, int]:
    """Return the same for fewer images than splits: one stays for training, the next one is for testing."""
    return dict.fromkeys(list(reversed(drawn))[: n - 1], 1)


def _numbers(n: int, drawn: Sequence[str], shares: Shares) -> dict[str, int]:
    """Return how many of a class's n images go to each drawn split: its share, at least one, leaving at least one."""
    if n <= len(drawn):
        raise DatasetError(
            f"a class has {counted(n, 'image')} to draw {' and '.join(drawn)} from; give it more, or give the splits "
            "yourself"
        )
    wanted = {name: max(1, int(getattr(shares, name) * n + 0.5)) for name in drawn}
    while sum(wanted.values()) >= n:
        wanted[max(wanted, key=wanted.__getitem__)] -= 1
    return wanted


def split_of(text: str) -> str | None:
    """Return the split that a word means, or None.

    Examples
    --------
    >>> split_of("Validation"), split_of("testing"), split_of("cats")
    ('val', 'test', None)
    """
    return SPLIT_NAMES.get(text.strip().lower())


SPLIT_NAMES = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip


def require_split(name: str) -> None:
    """Raise for an unknown split name."""
    require_choice("split", name, SPLITS)
