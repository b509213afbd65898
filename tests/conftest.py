"""Fixtures: a tiny open_clip checkpoint with random weights, a tiny Waterbirds folder, and the real ones."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
import torch

from debias_pt.datasets.download import http as download
from debias_pt.errors import DebiasWarning
from debias_pt.features.encoding import encode_with_stats
from debias_pt.features.table import FeatureTable
from debias_pt.models.backbone import Backbone
from tests.helpers import tiny_data as worlds
from tests.helpers.http_server import WHOLE, Mirror, serving

# If tests run in parallel, threads would only wait for each other.
THREADS = 1 if "PYTEST_XDIST_WORKER" in os.environ else 2
torch.set_num_threads(THREADS)
# Machines are noisy: no deadlines, and the same examples on every run.
hypothesis.settings.register_profile("steady", deadline=None, derandomize=True)
hypothesis.settings.load_profile("steady")

Cli = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """In hundreds of tiny fits, threads spend more time waiting than working."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return worlds.write_checkpoint(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def backbone(tiny_checkpoint: Path) -> Backbone:
    return Backbone.load(f"local-dir:{tiny_checkpoint}")


@pytest.fixture(scope="session")
def waterbirds_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return worlds.write_waterbirds(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session", autouse=True)
def _no_cache_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Caches without an explicit folder go to a temporary one."""
    with pytest.MonkeyPatch.context() as patch:
        if "DEBIAS_PT_CACHE" not in os.environ:
            patch.setenv("DEBIAS_PT_CACHE", str(tmp_path_factory.mktemp("default-cache")))
        yield


@pytest.fixture(scope="session")
def table(backbone: Backbone, waterbirds_root: Path, cache_dir: Path) -> FeatureTable:
    from debias_pt.datasets import load_dataset

    dataset = load_dataset("waterbirds", waterbirds_root, check_counts=False)
    return encode_with_stats(backbone, dataset, cache_dir=cache_dir, workers=0)[0]


@pytest.fixture
def data_root(tmp_path: Path) -> Path:
    """A Waterbirds folder of one's own, to break."""
    return worlds.write_waterbirds(tmp_path / "data")


@pytest.fixture(scope="module")
def server() -> Iterator[Mirror]:
    """A web server on this machine, asked again without a pause."""
    with serving() as mirror, pytest.MonkeyPatch.context() as patch:
        patch.setattr(download, "PAUSE_S", 0.0)
        patch.setenv("no_proxy", "127.0.0.1")
        yield mirror


@pytest.fixture
def mirror(server: Mirror) -> Mirror:
    """The server as new, with a small archive."""
    return server.reset(WHOLE)


@pytest.fixture(scope="session")
def cli(cache_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """Run the command line in a process of its own: ``cli("train", ..., cwd=...)``."""
    home = tmp_path_factory.mktemp("home")

    def run(
        *words: object, cwd: Path | None = None, wait: float = 300, **options: object
    ) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "DEBIAS_PT_CACHE": str(cache_dir), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(THREADS)}
        env |= options.pop("env", {})  # type: ignore[arg-type]
        command = [sys.executable, "-m", "debias_pt", *map(str, words)]
        return subprocess.run(  # type: ignore[call-overload,no-any-return]
            command, cwd=cwd or home, env=env, capture_output=True, text=True, timeout=wait, **options
        )

    return run


@pytest.fixture(scope="session")
def tiny(waterbirds_root: Path, tiny_checkpoint: Path) -> list[str]:
    """The options that make a command work on the tiny data with the tiny model."""
    return [
        *("--data-root", str(waterbirds_root)),
        "--no-check-counts",
        *("--pretrained", f"local-dir:{tiny_checkpoint}"),
        *("--workers", "0"),
    ]


@pytest.fixture(scope="session")
def train_tiny(waterbirds_root: Path, tiny_checkpoint: Path, cache_dir: Path) -> Callable[..., Path]:
    """Train on the tiny data with the tiny model, in this process: ``train_tiny(out, seeds=2)`` is the run's folder."""
    from debias_pt.settings import TrainSettings, resolve
    from debias_pt.workflows.train import train

    given = {
        "data_root": str(waterbirds_root),
        "check_counts": False,
        "pretrained": f"local-dir:{tiny_checkpoint}",
        "cache_dir": str(cache_dir),
        "workers": 0,
        "steps": 5,
    }

    def run(out: Path, *, resume: bool = False, baselines: bool = True, **options: object) -> Path:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DebiasWarning)  # of small groups
            settings = resolve(TrainSettings, given, options, {"out": str(out)})
            train(settings, resume=resume, baselines=baselines)
        return out

    return run


@pytest.fixture(scope="session")
def tiny_run(train_tiny: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the seeds 3 and 4."""
    return train_tiny(tmp_path_factory.mktemp("runs") / "tiny", seed=3, seeds=2)


@pytest.fixture(scope="session")
def assets() -> Path:
    """The real data sets and the real checkpoint; tests that need them skip elsewhere."""
    default = Path(__file__).resolve().parents[2] / "shared" / "assets"
    folder = Path(os.environ.get("DEBIAS_PT_REALDATA", default))
    if not (folder / "waterbirds_v1.0" / "metadata.csv").is_file():
        pytest.skip(f"no real data at {folder}")
    return folder


@pytest.fixture(autouse=True)
def _log_reaches_caplog() -> None:
    """A command that ran in this process keeps the log to itself; each test begins as a library user does."""
    logging.getLogger("debias_pt").propagate = True
