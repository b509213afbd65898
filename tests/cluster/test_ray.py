"""Promises: a cluster gives one machine's features bit for bit, whatever happens to its workers: nothing is lost and
nothing done twice; workers that would give others are refused before they work; what is wrong takes one line."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from debias_pt.benchmarks.group_robustness.rows import choose
from debias_pt.benchmarks.group_robustness.stacked_fits import fit_missing
from debias_pt.benchmarks.noisy_labels.cells import Cell
from debias_pt.benchmarks.noisy_labels.compute import compute
from debias_pt.benchmarks.shared.results_store import ResultStore
from debias_pt.cluster.spread import LostError
from debias_pt.cluster.tasks import remote_calls
from debias_pt.datasets import ImageDataset
from debias_pt.errors import FingerprintError
from debias_pt.features import ray_encoding
from debias_pt.features.cache import FeatureCache
from debias_pt.features.encoding import encode_with_stats
from debias_pt.features.table import FeatureTable
from debias_pt.groups.groups import Groups
from debias_pt.models.backbone import Backbone
from debias_pt.settings import FitSettings
from debias_pt.training import search_settings
from tests.cluster.conftest import started
from tests.helpers.slow_worker import SlowWorker
from tests.helpers.small_case import gaussian_case, noisy_case

NOISY = (("here", None), ("there", "ray"))
ray = pytest.importorskip("ray", reason="Ray is not installed")
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.cluster]
OLDER = """
import importlib.metadata as metadata
version = metadata.version
metadata.version = lambda name: "0.0.1" if name == "debias-pt" else version(name)
"""


class FullDiskWorker(ray_encoding.ImageWorker):
    """Needs room for a file, which only some machines have."""

    full: tuple[str, ...] = ()

    def _encode(self, paths: tuple[str, ...], batch_size: int) -> ray_encoding.Result:
        if ray.get_runtime_context().get_node_id() in self.full:
            with open("/dev/full", "w") as file:
                file.write("there is no room for this")
        return super()._encode(paths, batch_size)


def stored(cache_dir: Path, backbone: Backbone) -> FeatureCache:
    return FeatureCache(cache_dir, backbone.fingerprint)


@pytest.mark.usefixtures("small_blocks")
def test_workers_that_differ_are_refused(
    cluster: Any, backbone: Backbone, dataset: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(backbone, "fingerprint", {**backbone.fingerprint, "weights": "others"})
        with pytest.raises(FingerprintError, match=r"the worker on .*: its weights is '.*', here it is 'others'; give"):
            encode_with_stats(backbone, dataset.rows(range(8)), cache_dir=tmp_path, engine="ray")
    assert not list(tmp_path.glob("features/*/*.safetensors"))


def test_a_greeting_with_another_version_is_refused(backbone: Backbone) -> None:
    greeting = {"host": "b", "versions": {**ray_encoding.installed(), "torch": "1.0"}, "model": backbone.fingerprint}
    with pytest.raises(FingerprintError, match="the worker on b: its torch is 1.0, here it is .*; install the same"):
        ray_encoding.check_worker(greeting, backbone.fingerprint)


@pytest.mark.usefixtures("small_blocks")
def test_a_machine_with_another_version_gets_no_work(
    cluster: Any, backbone: Backbone, dataset: ImageDataset, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(OLDER)
    path = f"{tmp_path}:{Path(__file__).parents[2]}"
    node = started(lambda: cluster.add_node(num_cpus=1, env_vars={"PYTHONPATH": path}))
    here = ray_encoding.installed()["debias-pt"]
    try:
        with pytest.raises(
            FingerprintError, match=rf"the worker on .*: its debias-pt is 0\.0\.1, here it is {here}; ins"
        ):
            encode_with_stats(backbone, dataset, cache_dir=tmp_path, engine="ray", batch_size=4)
        assert not list(tmp_path.glob("features/*/*.safetensors"))
        with pytest.raises(FingerprintError, match=rf"a worker's debias-pt is 0\.0\.1, here it is {here}; install"):
            list(remote_calls("ray", time.sleep, [(3,)] * 9))
    finally:
        cluster.remove_node(node)


@pytest.mark.usefixtures("small_blocks")
def test_a_disk_that_fills_on_one_machine(
    cluster: Any,
    backbone: Backbone,
    dataset: ImageDataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The data set's folder is named from where the program stands, as on the command line."""
    monkeypatch.chdir(dataset.root.parent)
    dataset = replace(dataset, root=Path(dataset.root.name))
    nodes = [node.node_id for node in (cluster.head_node, cluster.other)]
    monkeypatch.setattr(ray_encoding, "ImageWorker", type("Full", (FullDiskWorker,), {"full": tuple(nodes)}))
    with pytest.raises(LostError, match="no worker is left|lost with 3 workers") as raised:
        encode_with_stats(backbone, dataset.rows(range(16)), cache_dir=tmp_path / "cluster", batch_size=4, engine="ray")
    assert "No space left on device" in str(raised.value)
    assert "\n" not in str(raised.value)
    caplog.clear()
    monkeypatch.setattr(ray_encoding, "ImageWorker", type("Full", (FullDiskWorker,), {"full": (nodes[1],)}))
    table, stats = encode_with_stats(backbone, dataset, cache_dir=tmp_path / "cluster", batch_size=4, engine="ray")
    assert stats.encoded == len(dataset)
    assert len([line for line in caplog.messages if "a worker is given up" in line and "No space left" in line]) == 1
    alone, _ = encode_with_stats(backbone, dataset, cache_dir=tmp_path / "alone", batch_size=4, workers=0)
    assert (table.features == alone.features).all()


def test_a_search_gives_the_same_scores(
    cluster: Any, backbone: Backbone, table: FeatureTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = Groups.true(table.y, table.class_names, [table.attributes["background"]])
    groups, begin = replace(true, source="pseudo"), FitSettings(steps=2, seeds=2)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    file = tmp_path / "trials.journal"
    space: Any = {"lr": [0.001, 0.1], "steps": [1, 3]}
    whole = {"space": space, "storage": file, "objective": "pseudo-wga"}
    first = search_settings(backbone, table, groups, begin, trials=3, engine="ray", **whole)
    there = search_settings(backbone, table, groups, begin, trials=5, engine="ray", **whole)
    assert len(there.trials) == 5
    assert there.trials[0]["settings"] == {}
    assert sorted(map(str, first.trials)) == sorted(map(str, there.trials[:3]))
    for trial in there.trials:
        settings = replace(begin, **trial["settings"])
        here = search_settings(backbone, table, groups, settings, trials=1, objective="pseudo-wga", space=space)
        assert here.trials[0]["score"] == trial["score"]
    torch.set_num_threads(threads)


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
    table, stats = encode_with_stats(
        backbone, dataset, cache_dir=tmp_path / "cluster", batch_size=4, engine="ray", skip_bad=True
    )
    killer.join()
    assert list(stats.skipped) == [dataset.ids[40]]
    assert stats.encoded == len(dataset) - 1
    assert len(stored(tmp_path / "cluster", backbone).read()) == len(dataset) - 1  # nothing lost, nothing twice
    alone, _ = encode_with_stats(
        backbone, dataset, cache_dir=tmp_path / "alone", batch_size=4, workers=0, skip_bad=True
    )
    assert (table.features == alone.features).all()
