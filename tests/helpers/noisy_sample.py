"""A small sample of which it is known which labels are wrong."""

from __future__ import annotations

from typing import Any

import numpy as np


def marked(seed: int = 0) -> Any:
    """A separable sample with labels of which a fifth is wrong."""
    rng = np.random.default_rng(seed)
    true = np.arange(90) % 3
    features = np.eye(3)[true] + rng.normal(0, 0.15, (90, 3))
    wrong = np.zeros(90, dtype=bool)
    wrong[rng.choice(90, 18, replace=False)] = True
    return features, true, np.where(wrong, (true + 1) % 3, true), wrong
