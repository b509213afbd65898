"""Asymmetric noise: labels flipped to the next class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from debias_pt.noise.base import NOISES, Clean, flip
from debias_pt.registry import register


@register(NOISES, "asymmetric")
def asymmetric(clean: Clean) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Flip exactly ``int(rate * n)`` labels y to ``(y + 1) mod K``.

    Source: the protocol of NLPrompt (arXiv 2412.01256).
    """
    return flip(clean, "asymmetric", (clean.y[clean.shots] + 1) % clean.n_classes)
