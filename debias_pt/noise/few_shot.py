"""Few-shot sampling: K images per class, drawn by a seed, and kept by name with what was drawn from them."""

from __future__ import annotations

import random
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray

from debias_pt.datasets.coop_shots import read_shots
from debias_pt.errors import DatasetError, DebiasWarning, UsageError
from debias_pt.features.table import FeatureTable

RULES = ("nested", "coop")
MOST_VALIDATION = 4  # validation images per class, as in CoOp's code
STREAM = 16_001  # keeps this draw apart from others of the same seed


def draw_shots(y: NDArray[np.int64], shots: int, seed: int, *, class_names: tuple[str, ...]) -> NDArray[np.int64]:
    """Return rows of up to `shots` samples of every class, without replacement.

    Each class is shuffled by its own generator, so that 8 shots are among the 16 drawn with the same seed, and
    adding or removing a class changes no other. These are not the images that CoOp's code draws; see
    :func:`draw_as_coop`.

    Parameters
    ----------
    y : ndarray of int, shape (N,)
        Class labels.
    shots : int
        Samples per class, 1 or more.
    seed : int
    class_names : tuple of str
        K names.

    Returns
    -------
    ndarray of int, shape (n,)
        Class by class, each in the order drawn. A class of fewer samples gives all it has, each once, with a warning.

    Raises
    ------
    UsageError
        If `shots` is below 1, or a class has no sample.

    Examples
    --------
    >>> y = np.array([0, 1, 0, 1, 0])
    >>> y[draw_shots(y, 2, seed=0, class_names=("cat", "dog"))]
    array([0, 0, 1, 1])
    """
    _check(y, shots, class_names)
    drawn = [np.zeros(0, dtype=np.int64)]
    for k in range(len(class_names)):
        generator = np.random.default_rng([seed, STREAM, k])
        drawn.append(generator.permutation(np.flatnonzero(y == k))[:shots])
    return np.concatenate(drawn)


def _check(y: NDArray[np.int64], shots: int, class_names: tuple[str, ...]) -> None:
    """Refuse what cannot be drawn, and warn of classes with too few samples."""
    if shots < 1:
        raise UsageError(f"shots is {shots}; 1 or more expected")
    sizes = np.bincount(y, minlength=len(class_names))
    few = np.flatnonzero(sizes < shots)
    if not len(few):
        return
    first = int(few[sizes[few].argmin()])
    text = f"{len(few)} of {len(sizes)} classes have fewer than {shots} training images, {class_names[first]!r} "
    text += f"{sizes[first]}"
    if not sizes[first]:
        raise UsageError(f"{text}; ask for fewer shots")
    warnings.warn(f"{text}; all of theirs are taken", DebiasWarning, stacklevel=4)


def draw_as_coop(labels: Sequence[NDArray[np.int64]], shots: Sequence[int], seed: int) -> list[NDArray[np.int64]]:
    """Return the rows that CoOp's code draws from several splits, one after another from one random stream.

    The rule is Dassl's (``generate_fewshot_dataset``), which CoOp and its successors use: Python's generator, seeded
    once, samples every class of the training split in the order in which the classes first appear in the split file,
    then those of the validation split. 8 shots are therefore not among the 16 of the same seed.

    Parameters
    ----------
    labels : sequence of ndarray of int, each of shape (N,)
        Labels of the splits, in the order of the split file.
    shots : sequence of int
        Samples per class, one number per split.
    seed : int
        CoOp's ``--seed``; its scripts use 1, 2 and 3.

    Returns
    -------
    list of ndarray of int, each of shape (n,)
        Class by class, each in the order drawn. A class of fewer samples gives all it has, each once and in order;
        newer versions of Dassl repeat some instead.

    Examples
    --------
    >>> y = np.array([1, 0, 1, 0, 1])
    >>> [y[rows].tolist() for rows in draw_as_coop([y], [2], seed=1)]
    [[1, 1, 0, 0]]
    """
    stream = random.Random(seed)
    drawn = []
    for y, count in zip(labels, shots, strict=True):
        rows: list[int] = []
        for label in dict.fromkeys(y.tolist()):
            own = np.flatnonzero(y == label).tolist()
            rows += stream.sample(own, count) if len(own) >= count else own
        drawn.append(np.array(rows, dtype=np.int64))
    return drawn


@dataclass(frozen=True)
class FewShot:
    """Which training images were drawn, by name.

    Parameters
    ----------
    seed : int
        What they were drawn with.
    shots : int
        Asked for per class.
    ids : tuple of str
        n images, class by class.

    Examples
    --------
    >>> few = FewShot.draw(table, shots=16, seed=0)                    # doctest: +SKIP
    >>> tuner.fit(few.of(table), groups)                              # doctest: +SKIP
    """

    seed: int
    shots: int
    ids: tuple[str, ...]

    @classmethod
    def draw(
        cls,
        table: FeatureTable,
        shots: int,
        seed: int,
        *,
        rule: str = "nested",
        split: str = "train",
    ) -> FewShot:
        """Draw from one split of a table.

        Parameters
        ----------
        table : FeatureTable
        shots : int
            Per class; in validation at most 4, as in CoOp's code.
        seed : int
        rule : {"nested", "coop"}
            That of :func:`draw_shots`, or that of :func:`draw_as_coop`.
        split : {"train", "val"}
        """
        if rule not in RULES:
            raise UsageError(f"rule is {rule!r}; {' or '.join(RULES)} expected")
        train, own = table.where("train"), table.where(split)
        few = shots if split == "train" else min(shots, MOST_VALIDATION)
        if rule == "nested":
            rows = draw_shots(own.y, few, seed, class_names=table.class_names)
        else:
            _check(own.y, few, table.class_names)
            both = [train.y] if split == "train" else [train.y, own.y]
            rows = draw_as_coop(both, [shots, few][: len(both)], seed)[-1]
        return cls(seed, few, tuple(own.ids[row] for row in rows))

    @classmethod
    def read(cls, table: FeatureTable, folder: Path, shots: int, seed: int, *, split: str = "train") -> FewShot:
        """Take the images that a file of CoOp's code names, ``shot_{shots}-seed_{seed}.pkl`` in `folder`.

        Raises
        ------
        DatasetError
            If there is no such file, it is something else, or an image or its label is not the table's.
        """
        path = folder / f"shot_{shots}-seed_{seed}.pkl"
        named = read_shots(path)[split]
        own = table.where(split)
        label = dict(zip(own.ids, own.y.tolist(), strict=True))
        ids = [_known(path, image, label) for image, _ in named]
        wrong = next((image for image, (_, given) in zip(ids, named, strict=True) if label[image] != given), None)
        if wrong is not None:
            raise DatasetError(f"{path}: calls {wrong} another class than the split file does; draw it again")
        return cls(seed, shots, tuple(dict.fromkeys(ids)))

    def rows(self, table: FeatureTable) -> NDArray[np.int64]:
        """Return the rows of the drawn images in a table, shape ``(n,)``.

        Raises
        ------
        DatasetError
            If one is not there.
        """
        return table.rows_of(self.ids)

    def of(self, table: FeatureTable) -> FeatureTable:
        """Return a table whose ``train`` rows are the drawn ones, followed by the other splits, complete."""
        return table.trained_on(self.rows(table))


def _known(path: Path, image: str, known: Mapping[str, int]) -> str:
    """Return the table's name of an image that another machine's path names."""
    parts = PurePath(image.replace("\\", "/")).parts
    found = next((name for start in range(len(parts)) if (name := "/".join(parts[start:])) in known), None)
    if found is None:
        raise DatasetError(f"{path}: names {image!r}, which the split file does not have; it belongs to other data")
    return found
