"""Promises: whoever is killed, a worker's process or the program itself, nothing is lost, nothing is done twice, the
features are those of one machine, and no process lives 5 s longer than the program that it worked for."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from debias_pt.datasets import ImageDataset
from debias_pt.features import ray_encoding
from debias_pt.features.cache import FeatureCache
from debias_pt.features.encoding import encode_with_stats
from debias_pt.models.backbone import Backbone
from tests.cluster.conftest import ROOT
from tests.helpers.signals import heed_interrupts
from tests.helpers.slow_worker import SlowWorker

pytest.importorskip("ray", reason="Ray is not installed")
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.cluster]
KILLS = 4
# Ray's own, which see late that it is gone; they hold nothing of ours.
AGENTS = ("dashboard/agent.py", "runtime_env/agent", "ray::DashboardAgent", "ray::RuntimeEnvAgent")
PLAIN = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


def processes(name: str) -> set[int]:
    """Return the processes whose title or command holds a text."""
    found = set()
    for place in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            if name in (place / "cmdline").read_bytes().decode(errors="replace"):
                found.add(int(place.name))
    return found - {os.getpid()}


def children(parents: set[int]) -> set[int]:
    """Return all processes below these, with them."""
    found = set(parents)
    while True:
        more = set()
        for place in Path("/proc").iterdir():
            with suppress(OSError, ValueError):
                fields = (place / "stat").read_text().rpartition(")")[2].split()
                if int(fields[1]) in found:
                    more.add(int(place.name))
        if more <= found:
            return found
        found |= more


def alive(ids: set[int]) -> set[int]:
    found = set()
    for number in ids:
        with suppress(OSError):
            if (Path("/proc") / str(number) / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found.add(number)
    return found


def until(wanted: Callable[[], Any], seconds: float) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := wanted()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


@pytest.mark.usefixtures("small_blocks")
def test_workers_that_are_killed_cost_nothing(
    cluster: Any, backbone: Backbone, dataset: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_encoding, "ImageWorker", SlowWorker)
    cache = FeatureCache(tmp_path / "cluster", backbone.fingerprint)
    rng, over, killed = random.Random(0), threading.Event(), []

    def kill() -> None:
        for number in range(KILLS):
            shards = len(list(cache.folder.glob("*.safetensors")))
            until(lambda before=shards: over.is_set() or len(list(cache.folder.glob("*.safetensors"))) > before, 120)
            over.wait(rng.uniform(0, 0.8))
            with suppress(IndexError, ProcessLookupError):
                victim = rng.choice(sorted(processes("ray::SlowWorker")))
                os.kill(victim, PLAIN[number % 2])
                killed.append(victim)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    table, stats = encode_with_stats(backbone, dataset, cache_dir=tmp_path / "cluster", batch_size=4, engine="ray")
    over.set()
    killer.join()
    assert killed
    assert stats.encoded == len(dataset) == len(cache.read())
    alone, _ = encode_with_stats(backbone, dataset, cache_dir=tmp_path / "alone", batch_size=4, workers=0)
    assert (table.features == alone.features).all()
    print(f"workers killed: {len(killed)}")


@pytest.fixture
def command(data_root: Path, tiny_checkpoint: Path, tmp_path: Path) -> list[str]:
    return [
        sys.executable, "-m", "debias_pt", "encode", "waterbirds", "--data-root", str(data_root), "--no-check-counts",
        "--pretrained", f"local-dir:{tiny_checkpoint}", "--cache-dir", str(tmp_path / "cache"), "--encode-batch-size",
        "4", "--engine",
    ]  # fmt: skip


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("number", PLAIN, ids=[number.name for number in PLAIN])
def test_a_program_that_is_killed_leaves_no_worker(
    cluster: Any, command: list[str], backbone: Backbone, tmp_path: Path, number: signal.Signals
) -> None:
    words = [*command, f"ray:{cluster.address}"]
    before = processes("ray::ImageWorker")
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts) as program:
        workers = until(lambda: processes("ray::ImageWorker") - before or program.poll() is not None, 120)
        assert workers
        program.send_signal(number)
        _, errors = program.communicate(timeout=60)
    ended = time.monotonic()
    assert until(lambda: not alive(workers), 5), f"{alive(workers)} live 5 s longer"
    print(f"after {number.name} workers lived {time.monotonic() - ended:.1f} s")
    assert program.returncode in (-number, 128 + number, 130), errors  # 130: ended in order, as by an interrupt
    assert "Traceback" not in errors
    if number != signal.SIGKILL:
        assert errors.startswith("error: interrupted") or not errors
        return
    subprocess.run(words, check=True, timeout=240)
    assert len(FeatureCache(tmp_path / "cache", backbone.fingerprint).read()) == 90


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("number", PLAIN, ids=[number.name for number in PLAIN])
def test_a_program_that_is_killed_takes_its_own_cluster_with_it(
    pytestconfig: pytest.Config, command: list[str], number: signal.Signals, tmp_path: Path
) -> None:
    if "cluster" not in pytestconfig.getoption("-m"):
        pytest.skip("starts a Ray cluster; run it with -m cluster")
    env = {**os.environ, "RAY_ADDRESS": "local"}
    words = [*command, "ray"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=env, preexec_fn=heed_interrupts) as program:
        until(lambda: "raylet/raylet" in _commands(children({program.pid})) or program.poll() is not None, 120)
        time.sleep(1)
        whole = children({program.pid})
        assert len(whole) > 2
        agents = {one for one in whole if any(name in _commands({one}) for name in AGENTS)}
        program.send_signal(number)
        _, errors = program.communicate(timeout=60)
    ended = time.monotonic()
    assert until(lambda: not alive(whole - agents), 5), f"{_commands(alive(whole))} live 5 s longer"
    left = alive(whole)  # Ray's own agents, which nobody but Ray can end
    gone = time.monotonic() - ended
    print(f"after {number.name} all but {len(left)} of {len(whole)} processes were gone in {gone:.1f} s")
    assert "Traceback" not in errors


def _commands(ids: set[int]) -> str:
    found = []
    for number in ids:
        with suppress(OSError):
            found.append((Path("/proc") / str(number) / "cmdline").read_bytes().decode(errors="replace"))
    return "\n".join(found)
