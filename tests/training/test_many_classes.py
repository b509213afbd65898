"""Promise: no step from labels to report allocates rows x classes x attribute values, nor rows x groups."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from debias_pt.datasets.attributes import PseudoAttribute
from debias_pt.features.table import FeatureTable
from debias_pt.groups.groups import Groups
from debias_pt.models.backbone import Backbone
from debias_pt.training.tuner import Tuner

N, K, V = 12_000, 400, 2
DENSE = N * K * V  # 77 MB in double precision


class LargestTensor(TorchDispatchMode):
    """Remembers the shape of the largest tensor that an operation returns."""

    def __init__(self) -> None:
        super().__init__()
        self.shape: tuple[int, ...] = ()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        for one in found if isinstance(found, tuple | list) else (found,):
            if isinstance(one, torch.Tensor) and one.numel() > np.prod(self.shape):
                self.shape = tuple(one.shape)
        return found


@pytest.mark.filterwarnings("ignore::debias_pt.errors.DebiasWarning")
@pytest.mark.parametrize(("method", "soft"), [("erm", False), ("dpt", False), ("dpt", True), ("group-dro", False)])
def test_memory_does_not_grow_with_rows_times_groups(backbone: Backbone, method: str, soft: bool) -> None:
    rng = np.random.default_rng(0)
    features = rng.standard_normal((N, backbone.dim), dtype=np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    y, names = np.arange(N) % K, tuple(f"class {k}" for k in range(K))
    split = np.where(np.arange(N) // K % 10 == 0, "val", "train")
    table = FeatureTable(tuple(map(str, range(N))), features, y, split, names)
    posterior = rng.dirichlet(np.ones(V), N)
    largest = LargestTensor()
    tracemalloc.start()
    try:
        with largest:
            groups = Groups.pseudo(y, names, [PseudoAttribute("place", ("land", "water"), posterior)])
            groups.warn_if_small(soft=soft)
            tuner = Tuner(backbone, method=method, soft=soft, head="linear", steps=3, batch_size=256)
            tuner.fit(table, groups)
            report = tuner.score(table, groups, split="val")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert groups.n_groups == K * V
    assert report.worst_group_accuracy.shape == (1,)
    assert peak < 8 * DENSE / 4, peak
    assert np.prod(largest.shape) < DENSE / 4, largest.shape
