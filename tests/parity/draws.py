"""Few-shot draws and replacement noise: how many images differ from what plain loops draw or allow."""

from __future__ import annotations

import math

import numpy as np

from debias_pt.features.table import FeatureTable
from debias_pt.models.backbone import Backbone
from debias_pt.noise import add_noise
from debias_pt.noise.few_shot import FewShot
from tests.helpers.coop_files import drawn_in_plain_loops

K, RATE = 8, 0.25
SIZES = (20, 41, 90)


def sample() -> FeatureTable:
    """Three classes of unequal size in mixed order, with a validation split."""
    y = np.random.default_rng(0).permutation(np.repeat(np.arange(3), SIZES))
    y = np.append(y, np.arange(30) % 3)
    split = np.array(["train"] * sum(SIZES) + ["val"] * 30)
    names = tuple(f"{row:03d}.jpg" for row in range(len(y)))
    return FeatureTable(names, np.eye(4, dtype=np.float32)[y], y, split, ("one", "two", "three"))


def few_shots(backbone: Backbone) -> float:
    """Images that CoOp's rule draws otherwise, for three seeds and both splits."""
    table, differ = sample(), 0
    images = [list(zip(part.ids, part.y.tolist(), strict=True)) for part in (table.where("train"), table.where("val"))]
    for seed in (1, 2, 3):
        for part, names in zip(("train", "val"), drawn_in_plain_loops(*images, K, seed), strict=True):
            found = FewShot.draw(table, K, seed, rule="coop", split=part).ids
            differ += sum(a != b for a, b in zip(found, names, strict=True))
    return float(differ)


def replacement(backbone: Backbone) -> float:
    """Images too many or too few, wrong ones too many or too few, used twice, or shots taken for wrong ones."""
    table, faults = sample(), 0
    for seed in range(20):
        few = FewShot.draw(table, K, seed)
        noisy = add_noise(table, few, "replacement", RATE)
        for k in range(3):
            own = [bad for bad, y in zip(noisy.wrong, noisy.y_given, strict=True) if y == k]
            faults += abs(len(own) - K) + abs(sum(own) - int(RATE * K))
        faults += len(noisy.ids) - len(set(noisy.ids))
        faults += sum(bad == (name in few.ids) for name, bad in zip(noisy.ids, noisy.wrong, strict=True))
    return float(faults)


def replacement_released(backbone: Backbone) -> float:
    """Images from a part of their class that PTNL's released rule does not draw them from, or too many of them."""
    table, faults = sample(), 0
    of_class = [[row for row in range(sum(SIZES)) if table.y[row] == k] for k in range(3)]
    wrong = int(RATE * K)
    for seed in range(20):
        noisy = add_noise(table, FewShot.draw(table, K, seed), "replacement-ptnl", RATE)
        for row, given, true in zip(noisy.rows(table).tolist(), noisy.y_given, noisy.y_true, strict=True):
            part = math.ceil(len(of_class[true]) * (1 - wrong / K))
            faults += (of_class[true].index(row) < part) != (given == true)
        for k in range(3):
            own = [bad for bad, y in zip(noisy.wrong, noisy.y_given, strict=True) if y == k]
            faults += max(0, len(own) - K) + max(0, sum(own) - wrong)
    return float(faults)
