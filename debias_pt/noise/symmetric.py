"""Symmetric noise: labels flipped to any other class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from debias_pt.noise.base import NOISES, Clean, flip
from debias_pt.registry import register


@register(NOISES, "symmetric")
def symmetric(clean: Clean) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Flip exactly ``int(rate * n)`` labels, each uniformly to one of the K - 1 other classes.

    Source: the protocol of NLPrompt (arXiv 2412.01256) and those after it. No label is flipped to itself, so
    the realised rate is the one asked for.
    """
    steps = clean.generator("symmetric").integers(1, max(2, clean.n_classes), size=len(clean.shots))
    return flip(clean, "symmetric", (clean.y[clean.shots] + steps) % clean.n_classes)
