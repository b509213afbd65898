"""One small case for the suite's tests, and a plain softmax regression to hold its rows against."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.benchmarks.group_robustness.case import Case
from debias_pt.benchmarks.noisy_labels.case import NoisyCase
from debias_pt.benchmarks.noisy_labels.settings import NoisySettings
from debias_pt.datasets.attributes import Attribute, PseudoAttribute
from debias_pt.datasets.base import ImageDataset
from debias_pt.features.encoding import EncodeStats
from debias_pt.features.table import FeatureTable
from debias_pt.models.backbone import Backbone
from debias_pt.settings import TrainSettings
from debias_pt.workflows.prepared import Prepared
from tests.helpers.tiny_data import gaussian_table

Floats = NDArray[np.float64]
PLACE = Attribute("background", {"land": ("land", "a forest"), "water": ("water", "a lake")})


def gaussian_case(backbone: Backbone, wrong: float = 0.1, **options: Any) -> Case:
    """Gaussian features, a probe that errs on a share of them, linear heads and plain gradient descent."""
    table = replace(gaussian_table(), fingerprint={})
    truth = table.attributes["background"]
    rng = np.random.default_rng(7)
    flipped = truth.labels ^ (rng.random(len(table)) < wrong)
    posterior = np.full((len(table), 2), 0.1)
    posterior[np.arange(len(table)), flipped] = 0.9
    said = (PseudoAttribute("background", truth.values, posterior),)
    prepared = Prepared(backbone, table, EncodeStats(len(table), 0, 0.0, ""), (PLACE,), said, (truth,))
    plain = {"head": "linear", "optimizer": "sgd", "momentum": 0.0, "lr": 0.05, "steps": 25, "select": "last"}
    return Case(TrainSettings(**{"dataset": "waterbirds", "seeds": 2, **plain, **options}), prepared)


def noisy_case(backbone: Backbone, **options: Any) -> NoisyCase:
    """Two classes of Gaussian features, 200 images each to draw from."""
    rows = replace(gaussian_table(), fingerprint={})
    images = ImageDataset("gaussian", Path(), rows.ids, rows.y, rows.split, rows.class_names)
    settings = NoisySettings(**{"dataset": "gaussian", "shots": 12, "seeds": 2, "steps": 3, **options})
    return NoisyCase(settings, backbone, rows, images)


def tiny_settings(data_root: Path, checkpoint: Path, cache_dir: Path, **options: Any) -> TrainSettings:
    """Settings of the whole suite on the tiny images with the tiny model."""
    common = {"dataset": "waterbirds", "check_counts": False, "workers": 0, "steps": 2, "seeds": 2}
    where = {
        "data_root": str(data_root), "pretrained": f"local-dir:{checkpoint}", "cache_dir": str(cache_dir),
    }  # fmt: skip
    return TrainSettings(**{**common, **where, **options})


def softmax(z: Floats) -> Floats:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def descend(
    x: Floats,
    y: NDArray[np.int64],
    start: Floats,
    case: Case,
    weigh: Callable[[Floats, Floats], Floats],
    offsets: Floats | float = 0.0,
    steps: int | None = None,
) -> Floats:
    """Full-batch gradient descent on a weighted softmax regression, in plain NumPy: weights ``(K, D)``.

    `weigh` takes the probabilities of the true class and the losses, and gives the samples' weights.
    """
    w, scale, steps = start.astype(float).copy(), case.prepared.backbone.logit_scale, steps or case.settings.steps
    for step in range(steps):
        p = softmax(scale * x @ w.T + offsets)
        true = p[np.arange(len(y)), y]
        error = (p - np.eye(len(w))[y]) * weigh(true, -np.log(true))[:, None]
        rate = case.settings.lr * 0.5 * (1 + math.cos(math.pi * step / steps))
        w -= rate * scale * error.T @ x / len(y)
    return w


def training_rows(case: Case) -> tuple[Floats, NDArray[np.int64]]:
    table = case.prepared.table.where("train")
    return table.features.astype(float), table.y


def held_out(case: Case) -> FeatureTable:
    return case.prepared.table.where("test")
