"""Replacement noise: wrong images under a class, not wrong labels on its images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from debias_pt.errors import UsageError
from debias_pt.noise.base import NOISES, Clean, how_many
from debias_pt.registry import register


@register(NOISES, "replacement")
def replacement(clean: Clean) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Replace ``int(rate * K_c)`` of the K_c shots of every class c by images of other classes.

    Source: the protocol of PTNL's released code (arXiv 2307.11978). The images come from the training images that
    are nobody's clean shot, each used at most once; the class that one comes from is drawn uniformly from
    the other classes that still have some. So the number of images under a class stays as it was, and so does
    the label of every clean shot that is kept. The shots kept at a higher rate are among those kept at a lower one.

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
    """Take an unused image of another class than k."""
    others = [other for other, rows in enumerate(left) if other != k and rows]
    if not others:
        raise UsageError(
            f"replacement noise needs {wanted} images of other classes for class {k}, no unused one is left; ask for "
            "fewer shots or a lower rate"
        )
    return left[int(generator.choice(others))].pop()
