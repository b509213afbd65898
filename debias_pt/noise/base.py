"""What a kind of label noise is: a function from clean shots to samples and the labels they are given."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from debias_pt.errors import UsageError


@dataclass(frozen=True)
class Clean:
    """What noise is made from.

    Parameters
    ----------
    y : ndarray of int, shape (N,)
        True labels of the whole training split.
    shots : ndarray of int, shape (n,)
        Rows of the clean sample among them.
    n_classes : int
        K.
    rate : float
        Share of wrong labels asked for, 0 to 1.
    seed : int
    probabilities : ndarray of float, shape (N, K), optional
        What the zero-shot model says of every row.
    """

    y: NDArray[np.int64]
    shots: NDArray[np.int64]
    n_classes: int
    rate: float
    seed: int
    probabilities: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 1:
            raise UsageError(f"the noise rate is {self.rate}; 0 to 1 expected")
        if self.rate > 0 and self.n_classes < 2:
            raise UsageError(f"noise at rate {self.rate} with {self.n_classes} class; a wrong label needs 2")

        expected = (len(self.y), self.n_classes)
        if self.probabilities is not None and self.probabilities.shape != expected:
            raise UsageError(f"probabilities of shape {self.probabilities.shape}; {expected} expected, a row per image")

    def generator(self, kind: str) -> np.random.Generator:
        """Return a generator of this seed that shares no stream with another kind's."""
        return np.random.default_rng([self.seed, zlib.crc32(kind.encode())])


# Rows of the samples, and the label that each is given: both of shape (n,).
Noise = Callable[[Clean], tuple[NDArray[np.int64], NDArray[np.int64]]]
NOISES: dict[str, Noise] = {}


def how_many(rate: float, n: int) -> int:
    """Return ``int(rate * n)``, for the number as it is written: 0.29 of 100 are 29, not the 28 of floating point.

    Examples
    --------
    >>> how_many(0.29, 100), how_many(0.125, 16), how_many(0.5, 3)
    (29, 2, 1)
    """
    return int(round(rate * n, 9))


def flip(clean: Clean, kind: str, wrong: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give exactly ``int(rate * n)`` of the shots, drawn by lot, the wrong label that stands ready for each.

    The order of the lots depends on the seed alone, so that the samples flipped at 12.5 % are among those flipped
    at 25 %.

    Parameters
    ----------
    clean : Clean
    kind : str
        Names the random stream.
    wrong : ndarray of int, shape (n,)
        A wrong label for every shot.
    """
    order = clean.generator(f"{kind} order").permutation(len(clean.shots))
    flipped = order[: how_many(clean.rate, len(clean.shots))]
    given = clean.y[clean.shots].copy()
    given[flipped] = wrong[flipped]
    return clean.shots, given
