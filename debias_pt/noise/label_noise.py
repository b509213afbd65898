"""Kinds of label noise: replacement, symmetric, asymmetric and confusion."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from debias_pt.errors import UsageError
from debias_pt.utils.registry import register


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
        Requested share of wrong labels, 0 to 1.
    seed : int
    probabilities : ndarray of float, shape (N, K), optional
        The zero-shot model's, for every row.
    per_class : int
        Images per class that the sample was asked for; 0 where that is not known.
    """

    y: NDArray[np.int64]
    shots: NDArray[np.int64]
    n_classes: int
    rate: float
    seed: int
    probabilities: NDArray[np.float64] | None = None
    per_class: int = 0

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
    """Return ``int(rate * n)`` in decimal arithmetic: 0.29 of 100 are 29, not 28 as in floating point.

    Examples
    --------
    >>> how_many(0.29, 100), how_many(0.125, 16), how_many(0.5, 3)
    (29, 2, 1)
    """
    return int(round(rate * n, 9))


def flip(clean: Clean, kind: str, wrong: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give exactly ``int(rate * n)`` of the shots, drawn at random, the wrong label prepared for each.

    The order of the draw depends on the seed alone, so that the samples flipped at 12.5 % are among those flipped
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


@register(NOISES, "asymmetric")
def asymmetric(clean: Clean) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Flip exactly ``int(rate * n)`` labels y to ``(y + 1) mod K``.

    Source: the protocol of NLPrompt (arXiv 2412.01256).
    """
    return flip(clean, "asymmetric", (clean.y[clean.shots] + 1) % clean.n_classes)


@register(NOISES, "confusion")
def confusion(clean: Clean) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Flip exactly ``int(rate * n)`` labels, each to the wrong class that the zero-shot model finds most likely.

    Source: PTNL (arXiv 2307.11978), its harder kind of noise. Of equally likely classes the first is taken.

    Raises
    ------
    UsageError
        If there are no probabilities.
    """
    if clean.probabilities is None:
        raise UsageError("confusion noise without zero-shot probabilities; give probabilities of shape (N, K)")
    of_shots = clean.probabilities[clean.shots].copy()
    of_shots[np.arange(len(clean.shots)), clean.y[clean.shots]] = -np.inf
    return flip(clean, "confusion", np.asarray(of_shots.argmax(axis=1), dtype=np.int64))


@register(NOISES, "replacement")
def replacement(clean: Clean) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Replace ``int(rate * K_c)`` of the K_c shots of every class c by images of other classes.

    Source: the protocol of PTNL (arXiv 2307.11978), drawn otherwise than its released code does, for which see
    :func:`replacement_ptnl`. The images come from the training images that are nobody's clean shot, each used at most
    once; the class that one comes from is drawn uniformly from the other classes that still have some. So the number
    of images under a class stays as it was, and so does the label of every clean shot that is kept. The shots kept at
    a higher rate are among those kept at a lower one.

    Raises
    ------
    UsageError
        If there are too few images of other classes left.
    """
    generator = clean.generator("replacement")
    pool = np.setdiff1d(np.arange(len(clean.y)), clean.shots)
    left = [list(generator.permutation(pool[clean.y[pool] == k])) for k in range(clean.n_classes)]
    shots = [clean.shots[clean.y[clean.shots] == k] for k in range(clean.n_classes)]
    orders = [generator.permutation(len(of_class)) for of_class in shots]  # before the rate plays any part
    rows: list[np.int64] = []
    for k, (of_class, order) in enumerate(zip(shots, orders, strict=True)):
        wrong = how_many(clean.rate, len(of_class))
        rows += list(of_class[np.sort(order[wrong:])])
        rows += [_take(generator, left, k, wrong) for _ in range(wrong)]
    given = np.repeat(np.arange(clean.n_classes), [len(of_class) for of_class in shots])
    return np.array(rows, dtype=np.int64), given


def _take(generator: np.random.Generator, left: list[list[np.int64]], k: int, wanted: int) -> np.int64:
    """Take an unused image of a class other than k."""
    others = [other for other, rows in enumerate(left) if other != k and rows]
    if not others:
        raise UsageError(
            f"replacement noise needs {wanted} images of other classes for class {k}, no unused one is left; ask for "
            "fewer shots or a lower rate"
        )
    return left[int(generator.choice(others))].pop()


@register(NOISES, "replacement-ptnl")
def replacement_ptnl(clean: Clean) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Replace ``int(rate * K)`` of the K images under every class by the rule of PTNL's released code.

    Of the n training images of a class the first ``ceil(n * (1 - w / K))`` in the table's order, w the number to
    replace, are the pool of right images for itself, the others one of wrong images for all other classes. A class
    draws K right ones, without repetition where its pool suffices, and lets w of them go for wrong ones, which it
    draws uniformly from all *images* of its pool, hence mostly from large classes, with repetition. Labels are kept by
    image there: an image that several classes drew has the label of the last one, and one drawn twice counts once.

    So fewer than K images may stand under a class, and another rate takes other images. The sample handed in says only
    how many images per class. The released code also leaves out classes that the zero-shot model never predicts.

    Raises
    ------
    UsageError
        If there are no wrong images for a class: the others have fewer images than shots.
    """
    generator = clean.generator("replacement-ptnl")
    per_class = clean.per_class or int(np.bincount(clean.y[clean.shots]).max())
    wrong = how_many(clean.rate, per_class)
    classes = [np.flatnonzero(clean.y == k) for k in range(clean.n_classes)]
    right = [rows[: math.ceil(round(len(rows) * (1 - wrong / per_class), 9))] for rows in classes]
    others = np.concatenate([rows[len(own) :] for rows, own in zip(classes, right, strict=True)])
    given: dict[int, int] = {}
    for k, own in enumerate(right):
        foreign = others[clean.y[others] != k]
        if wrong and not len(foreign):
            raise UsageError(f"PTNL's replacement rule finds no wrong images for class {k}; ask for fewer shots")
        rows = generator.choice(foreign, wrong) if wrong else foreign[:0]
        if wrong < per_class:
            rows = np.append(rows, generator.choice(own, per_class, replace=len(own) < per_class)[wrong:])
        given |= dict.fromkeys(rows.tolist(), k)
    return np.array(list(given), dtype=np.int64), np.array(list(given.values()), dtype=np.int64)


@register(NOISES, "symmetric")
def symmetric(clean: Clean) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Flip exactly ``int(rate * n)`` labels, each uniformly to one of the K - 1 other classes.

    Source: the protocol of NLPrompt (arXiv 2412.01256) and those after it. No label is flipped to itself, so
    the realised rate is the requested one.
    """
    steps = clean.generator("symmetric").integers(1, max(2, clean.n_classes), size=len(clean.shots))
    return flip(clean, "symmetric", (clean.y[clean.shots] + steps) % clean.n_classes)
