"""Few-shot sampling: K training images per class, drawn by a seed, and kept by name with what was drawn from them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.errors import DebiasWarning, UsageError
from debias_pt.features.table import FeatureTable
from debias_pt.utils.files import read_json, write_json

SHORT = ("all", "refuse")
STREAM = 16_001  # keeps this draw apart from others of the same seed


def draw_shots(
    y: NDArray[np.int64], shots: int, seed: int, *, class_names: tuple[str, ...], short: str = "all"
) -> NDArray[np.int64]:
    """Return rows of up to `shots` samples of every class, without replacement.

    Every class is shuffled by a generator of its own, so that the draw of 8 shots is part of the draw of 16 with
    the same seed, and a class more or fewer changes no other.

    Parameters
    ----------
    y : ndarray of int, shape (N,)
        Class labels.
    shots : int
        Samples per class, 1 or more.
    seed : int
    class_names : tuple of str
        K names.
    short : {"all", "refuse"}
        What to do with a class of fewer samples: take all it has and warn, as CoOp does without a word (nothing is
        drawn twice), or refuse.

    Returns
    -------
    ndarray of int, shape (n,)
        Class by class, each in the order drawn.

    Raises
    ------
    UsageError
        If `shots` is below 1, `short` is another word, a class has no sample, or too few and `short` says refuse.

    Examples
    --------
    >>> y = np.array([0, 1, 0, 1, 0])
    >>> y[draw_shots(y, 2, seed=0, class_names=("cat", "dog"))]
    array([0, 0, 1, 1])
    """
    if shots < 1:
        raise UsageError(f"shots is {shots}; 1 or more expected")
    if short not in SHORT:
        raise UsageError(f"short is {short!r}; {' or '.join(SHORT)} expected")
    sizes = np.bincount(y, minlength=len(class_names))
    _warn_or_refuse(sizes, shots, class_names, short)
    drawn = [np.zeros(0, dtype=np.int64)]
    for k in range(len(class_names)):
        generator = np.random.default_rng([seed, STREAM, k])
        drawn.append(generator.permutation(np.flatnonzero(y == k))[:shots])
    return np.concatenate(drawn)


def _warn_or_refuse(sizes: NDArray[np.int64], shots: int, class_names: tuple[str, ...], short: str) -> None:
    few = np.flatnonzero(sizes < shots)
    if not len(few):
        return
    first = int(few[sizes[few].argmin()])
    text = f"{len(few)} of {len(sizes)} classes have fewer than {shots} training images, {class_names[first]!r} "
    text += f"{sizes[first]}"
    if short == "refuse" or not sizes[first]:
        raise UsageError(f"{text}; ask for fewer shots")
    warnings.warn(f"{text}; all they have are taken", DebiasWarning, stacklevel=4)


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
    >>> few.save(folder / "few-shot.json")                            # doctest: +SKIP
    """

    seed: int
    shots: int
    ids: tuple[str, ...]

    @classmethod
    def draw(cls, table: FeatureTable, shots: int, seed: int, *, short: str = "all") -> FewShot:
        """Draw from the table's ``train`` rows; see :func:`draw_shots`."""
        train = table.where("train")
        rows = draw_shots(train.y, shots, seed, class_names=table.class_names, short=short)
        return cls(seed, shots, tuple(train.ids[row] for row in rows))

    def rows(self, table: FeatureTable) -> NDArray[np.int64]:
        """Return the rows of the drawn images in a table, shape ``(n,)``.

        Raises
        ------
        DatasetError
            If one is not there.
        """
        return table.rows_of(self.ids)

    def of(self, table: FeatureTable) -> FeatureTable:
        """Return a table whose ``train`` rows are the drawn ones; the other splits are left whole, behind them."""
        return table.trained_on(self.rows(table))

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {**asdict(self), "ids": list(self.ids)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> FewShot:
        """Take back what :meth:`to_dict` returned.

        Raises
        ------
        UsageError
            If it is something else.
        """
        try:
            return cls(int(values["seed"]), int(values["shots"]), tuple(map(str, values["ids"])))
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"not a few-shot draw ({error!r}); draw it again") from error

    def save(self, path: Path) -> None:
        """Write a JSON file, whole or not at all."""
        write_json(path, self.to_dict())

    @classmethod
    def load(cls, path: Path) -> FewShot:
        """Read what :meth:`save` wrote."""
        return cls.from_dict(read_json(path))
