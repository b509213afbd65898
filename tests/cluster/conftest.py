"""A Ray cluster of two machines, each a node process on this one."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from debias_pt.cluster import spread
from debias_pt.datasets import ImageDataset, load_dataset
from debias_pt.features import blocks

ROOT = Path(__file__).parents[2]


def started(start: Callable[[], Any]) -> Any:
    """Start a node by a slow clock: Ray gives it half a minute, which a busy machine exceeds."""
    slow = SimpleNamespace(time=time.time, sleep=time.sleep, monotonic=lambda: time.monotonic() / 8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ray._private.node.time", slow)
        return start()


@pytest.fixture(scope="module")
def cluster(pytestconfig: pytest.Config) -> Iterator[Any]:
    """Two machines with a core each, as two node processes on this one; the program runs on the first."""
    if "cluster" not in pytestconfig.getoption("-m"):
        pytest.skip("starts a Ray cluster, a minute of one core; run it with -m cluster")
    import ray
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("PYTHONPATH", str(ROOT))
        made = started(lambda: Cluster(True, head_node_args={"num_cpus": 1, "include_dashboard": False}))
        made.other = started(lambda: made.add_node(num_cpus=1))
        ray.init(address=made.address, logging_level="ERROR", log_to_driver=False)
        yield made
        ray.shutdown()
        made.shutdown()


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setattr(blocks, "SHARD_ROWS", 8)
    monkeypatch.setattr(spread, "EVERY_S", 120.0)  # all workers are there before work begins, on a busy machine too
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def dataset(data_root: Path) -> ImageDataset:
    return load_dataset("waterbirds", data_root, check_counts=False)
