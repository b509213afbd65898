"""Promises: a cluster gives one machine's features bit for bit, whatever happens to its workers: nothing is lost and
nothing done twice; workers that would give others are refused before they work; what is wrong takes one line."""

from __future__ import annotations

import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import torch

from debias_pt.benchmarks.group_robustness.rows import choose
from debias_pt.benchmarks.group_robustness.stacked_fits import fit_missing
from debias_pt.benchmarks.noisy_labels.cells import Cell
from debias_pt.benchmarks.noisy_labels.compute import compute
from debias_pt.benchmarks.shared.results_store import ResultStore
from debias_pt.cluster.join import check_engine
from debias_pt.datasets import ImageDataset, load_dataset
from debias_pt.errors import FingerprintError, UsageError
from debias_pt.features import blocks, ray_encoding
from debias_pt.features.cache import FeatureCache
from debias_pt.features.encoding import encode
from debias_pt.models.backbone import Backbone
from tests.helpers.small_case import gaussian_case, noisy_case

NOISY = (("here", None), ("there", "ray"))
ray = pytest.importorskip("ray", reason="Ray is not installed")
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.cluster]


class SlowWorker(ray_encoding.ImageWorker):
    """Takes its time, so that there is a middle to be killed in."""

    def encode(self, paths: tuple[str, ...], batch_size: int) -> ray_encoding.Result:
        time.sleep(0.4)
        return super().encode(paths, batch_size)


def started(start: Callable[[], Any]) -> Any:
    """Try again: Ray gives a node half a minute, which a busy machine may exceed."""
    for _ in range(3):
        try:
            return start()
        except Exception as error:
            last = error
    raise last


@pytest.fixture(scope="module")
def cluster(pytestconfig: pytest.Config) -> Iterator[Any]:
    """Two machines with a core each, as two node processes on this one; the program runs on the first."""
    if "cluster" not in pytestconfig.getoption("-m"):
        pytest.skip("starts a Ray cluster, a minute of one core; run it with -m cluster")
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
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
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def dataset(data_root: Path) -> ImageDataset:
    return load_dataset("waterbirds", data_root, check_counts=False)


def stored(cache_dir: Path, backbone: Backbone) -> FeatureCache:
    return FeatureCache(cache_dir, backbone.fingerprint)


@pytest.mark.usefixtures("small_blocks")
def test_workers_that_differ_are_refused(
    cluster: Any, backbone: Backbone, dataset: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(backbone, "fingerprint", {**backbone.fingerprint, "weights": "others"})
        with pytest.raises(FingerprintError, match=r"the worker on .*: its weights is '.*', here it is 'others'; give"):
            encode(backbone, dataset.rows(range(8)), cache_dir=tmp_path, engine="ray")
    assert not list(tmp_path.glob("features/*/*.safetensors"))


def test_another_version_is_refused(backbone: Backbone) -> None:
    greeting = {"host": "b", "versions": {**ray_encoding.installed(), "torch": "1.0"}, "model": backbone.fingerprint}
    with pytest.raises(FingerprintError, match="the worker on b: its torch is 1.0, here it is .*; install the same"):
        ray_encoding.check_worker(greeting, backbone.fingerprint)


def test_a_benchmark_gives_the_same_figures(cluster: Any, backbone: Backbone, tmp_path: Path) -> None:
    case = gaussian_case(backbone, steps=5)
    rows = [(case, row.fit) for row in choose(["erm", "dpt"])]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    here = fit_missing(rows, ResultStore(tmp_path))
    there = fit_missing(rows, ResultStore(tmp_path), "ray")
    torch.set_num_threads(threads)
    test = case.prepared.table.where("test").features
    assert here.keys() == there.keys()
    assert len(here) == 2
    for name, timed in here.items():
        assert (timed.fitted.predict(test) == there[name].fitted.predict(test)).all()
        assert timed.fitted.steps == there[name].fitted.steps
    noisy, cells = noisy_case(backbone), [Cell("prompt", rate=0.25), Cell("zero-shot")]
    found = [compute(noisy, cells, ResultStore(tmp_path / name), engine) for name, engine in NOISY]
    assert [[one[cell]["per_seed"] for cell in cells] for one in found[:1]] == [
        [one[cell]["per_seed"] for cell in cells] for one in found[1:]
    ]


@pytest.mark.usefixtures("small_blocks")
def test_a_machine_that_dies_costs_nothing(
    cluster: Any, backbone: Backbone, dataset: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last test: a node is killed in the middle. A block is 8 images; each machine has two in hand."""
    monkeypatch.setattr(ray_encoding, "ImageWorker", SlowWorker)
    folder = stored(tmp_path / "cluster", backbone).folder

    def kill() -> None:
        deadline = time.monotonic() + 60
        while len(list(folder.glob("*.safetensors"))) < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        cluster.remove_node(cluster.other, allow_graceful=False)

    broken = dataset.root / dataset.ids[40]
    broken.write_bytes(broken.read_bytes()[:200])
    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    table, stats = encode(backbone, dataset, cache_dir=tmp_path / "cluster", batch_size=4, engine="ray", skip_bad=True)
    killer.join()
    assert list(stats.skipped) == [dataset.ids[40]]
    assert stats.encoded == len(dataset) - 1
    assert len(stored(tmp_path / "cluster", backbone).read()) == len(dataset) - 1  # nothing lost, nothing twice
    alone, _ = encode(backbone, dataset, cache_dir=tmp_path / "alone", batch_size=4, workers=0, skip_bad=True)
    assert (table.features == alone.features).all()


@pytest.mark.parametrize(
    ("engine", "message"),
    [("spark", "engine is 'spark'; ray"), ("ray:here", "the cluster's address is 'here'; HOST:PORT expected")],
)
def test_an_unknown_engine_is_refused(engine: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_engine(engine)


def test_no_cluster_at_the_address(cli: Callable[..., CompletedProcess[str]], tiny: list[str]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    done = cli("encode", "waterbirds", *tiny, "--engine", f"ray:127.0.0.1:{port}")
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: no Ray cluster answers at 127.0.0.1:{port}")
    assert done.stderr.count("\n") == 1
