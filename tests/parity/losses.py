"""Robust losses of one sample after another, in plain Python, with the constants of papers and of released code."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch

from debias_pt.losses import make_loss
from debias_pt.models.backbone import Backbone

Plain = Callable[[list[float], int], float]
LOGITS = np.random.default_rng(0).normal(scale=2.0, size=(40, 5))
LABELS = [row % 5 for row in range(40)]


def difference(name: str, options: list[str], plain: Plain) -> float:
    logits = torch.from_numpy(LOGITS)[None]
    found = make_loss(name, options)(logits, torch.tensor([LABELS]))[0].tolist()
    worst = 0.0
    for row, y, value in zip(LOGITS.tolist(), LABELS, found, strict=True):
        total = sum(math.exp(z) for z in row)
        worst = max(worst, abs(value - plain([math.exp(z) / total for z in row], y)))
    return worst


def reverse(p: list[float], y: int, least: float) -> float:
    """Cross-entropy of the one-hot label under p, the label cut off at `least`."""
    return -sum(share * math.log(1.0 if k == y else least) for k, share in enumerate(p))


def gce(backbone: Backbone) -> float:
    return max(difference("gce", [f"q={q}"], lambda p, y, q=q: (1 - p[y] ** q) / q) for q in (0.3, 0.5, 0.7, 1.0))  # type: ignore[misc]


def gce_released(backbone: Backbone) -> float:
    """PTNL's released code: q 0.5, and 1e-6 added to p."""
    return difference("gce", ["q=ptnl"], lambda p, y: (1 - (p[y] + 1e-6) ** 0.5) / 0.5)


def sce(backbone: Backbone) -> float:
    return difference("sce", [], lambda p, y: -0.1 * math.log(p[y]) + reverse(p, y, math.exp(-4)))


def sce_released(backbone: Backbone) -> float:
    return difference("sce", ["A=ptnl"], lambda p, y: -0.1 * math.log(p[y]) + reverse(p, y, 1e-4))


def share_of_label(p: list[float], y: int) -> float:
    return math.log(p[y]) / sum(math.log(value) for value in p)


def nce_rce(backbone: Backbone) -> float:
    return difference("nce-rce", [], lambda p, y: share_of_label(p, y) + reverse(p, y, math.exp(-4)))


def nce_rce_released(backbone: Backbone) -> float:
    return difference("nce-rce", ["A=ptnl"], lambda p, y: share_of_label(p, y) + reverse(p, y, 1e-4))
