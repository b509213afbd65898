"""The sizes that are measured: one of them is varied at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from debias_pt.datasets.attributes import TrueAttribute
from debias_pt.features.table import FeatureTable
from debias_pt.groups.groups import Groups
from debias_pt.models.backbone import Backbone

VAL = 5  # one validation row for so many training rows


@dataclass(frozen=True)
class Point:
    """One size of a fit: N training rows, K classes, G groups (a multiple of K), R runs."""

    N: int = 8_000
    K: int = 10
    G: int = 20
    R: int = 1


BASE = Point()
# Each size alone, the others as above; what the letters stand for.
AXES: dict[str, tuple[str, tuple[int, ...]]] = {
    "N": ("training rows", (2_000, 8_000, 32_000, 128_000)),
    "K": ("classes", (10, 40, 160, 640)),
    "G": ("groups", (20, 160, 1_280, 10_240)),
    "R": ("stacked runs", (1, 2, 4, 8)),
}


def points(axis: str, *, quick: bool = False) -> list[Point]:
    """Return the points of an axis; without the largest if `quick`.

    Examples
    --------
    >>> [point.G for point in points("K", quick=True)]
    [20, 80, 320]
    """
    sizes = AXES[axis][1][: -1 if quick else None]
    # With more classes there are more groups: two values of the attribute throughout.
    return [replace(BASE, **{axis: size}, **({"G": 2 * size} if axis == "K" else {})) for size in sizes]


def draw(point: Point, backbone: Backbone) -> tuple[FeatureTable, Groups]:
    """Return random unit features, balanced classes and the groups of an attribute with G / K values."""
    rng = np.random.default_rng(0)
    n, values = point.N + point.N // VAL, point.G // point.K
    features = rng.standard_normal((n, backbone.dim), dtype=np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    y, names = np.arange(n) % point.K, tuple(f"class {k}" for k in range(point.K))
    split = np.where(np.arange(n) < point.N, "train", "val")
    attribute = TrueAttribute(tuple(map(str, range(values))), rng.integers(0, values, n))
    table = FeatureTable(
        ids=tuple(map(str, range(n))), features=features, y=y, split=split, class_names=names,
        attributes={"value": attribute}, name="random", fingerprint=backbone.fingerprint,
    )  # fmt: skip
    return table, Groups.true(y, names, [attribute])
