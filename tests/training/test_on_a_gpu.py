"""Promises: a fit on a GPU is the fit on the CPU, to rounding, for every method, head and loss; skipped without one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from debias_pt.features.table import FeatureTable
from debias_pt.groups.groups import Groups
from debias_pt.losses import LOSSES
from debias_pt.models.backbone import Backbone
from debias_pt.models.heads import HEADS
from debias_pt.reweighting import REWEIGHTERS
from debias_pt.training.tuner import Tuner

DEVICE = "cuda"
NAMES = ("landbird", "waterbird")
SETTINGS: list[dict[str, Any]] = [
    *({"method": method} for method in REWEIGHTERS),
    *({"head": head} for head in HEADS),
    *({"loss": loss} for loss in LOSSES),
    {"batch_size": 64},
    {"seeds": 3},
    {"soft": True},
    {"optimizer": "sgd"},
    {"class_specific": True},
    {"class_position": "middle"},
]

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"),
    pytest.mark.filterwarnings("ignore::debias_pt.errors.DebiasWarning"),
]


@pytest.fixture(scope="module")
def models() -> dict[str, Backbone]:
    return {device: Backbone.load("mini", device=device) for device in ("cpu", DEVICE)}


@pytest.fixture(scope="module")
def case(models: dict[str, Backbone]) -> tuple[FeatureTable, Groups]:
    """Features around the zero-shot weights, in four groups, one of them small."""
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=400)
    place = np.where(rng.random(400) < 0.9, y, 1 - y)
    words = models["cpu"].encode_text([f"a photo of a {name}." for name in NAMES]).numpy()
    features = words[y] + 0.7 * words[place][:, ::-1] + 0.1 * rng.standard_normal((400, words.shape[1]))
    features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
    split = np.resize(["train", "train", "val", "test"], 400)
    ids = tuple(str(i) for i in range(400))
    table = FeatureTable(ids=ids, features=features, y=y, split=split, class_names=NAMES)
    return table, Groups(y, place, NAMES, ("land", "water"), "pseudo")


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_fit_is_the_same(
    settings: dict[str, Any], models: dict[str, Backbone], case: tuple[FeatureTable, Groups]
) -> None:
    table, groups = case
    on_cpu, on_gpu = (
        Tuner(model, **{"method": "dpt", "steps": 10, **settings}).fit(table, groups) for model in models.values()
    )
    assert np.abs(on_cpu.class_weights_ - on_gpu.class_weights_).max() < 0.02
    assert (on_cpu.predict(table.features) != on_gpu.predict(table.features)).mean() <= 0.03
