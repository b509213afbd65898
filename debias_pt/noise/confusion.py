"""Confusion noise: labels flipped to what the zero-shot model confuses the image with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from debias_pt.errors import UsageError
from debias_pt.noise.base import NOISES, Clean, flip
from debias_pt.registry import register


@register(NOISES, "confusion")
def confusion(clean: Clean) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Flip exactly ``int(rate * n)`` labels, each to the wrong class that the zero-shot model holds most likely.

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
