"""Promises: a reading process that dies, and a machine that cannot work, are each one line, which says where; an image
that is broken is not the machine's fault."""

from __future__ import annotations

import os
import shutil
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
import torch

from debias_pt.datasets import load_dataset
from debias_pt.errors import WorkerError
from debias_pt.features import loader
from debias_pt.features.encoding import encode_with_stats
from debias_pt.features.ray_encoding import ImageWorker
from debias_pt.models.backbone import Backbone
from tests.helpers.tiny_data import FOLDER


def test_a_reading_process_that_is_killed(
    backbone: Backbone, data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(self: Any, path: str, content: bytes | None) -> str:
        assert os.getpid() != own
        os.kill(os.getpid(), signal.SIGKILL)
        return path

    own = os.getpid()
    monkeypatch.setattr(loader._Images, "by_pillow", killed)
    dataset = load_dataset("waterbirds", data_root, check_counts=False).rows(range(8))
    message = (
        r"^a process that reads images died \(DataLoader worker \(pid.*\) (is killed|exited unexp).*\); --workers 0"
    )
    with pytest.raises(WorkerError, match=message) as raised:
        encode_with_stats(backbone, dataset, cache_dir=tmp_path / "cache", workers=1)
    assert "\n" not in str(raised.value)
    assert raised.value.exit_code == 1
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


@pytest.fixture
def worker(backbone: Backbone, data_root: Path, monkeypatch: pytest.MonkeyPatch) -> ImageWorker:
    """As on a machine of a cluster, in the folder of the program that sends the work."""
    monkeypatch.chdir(data_root)
    threads = torch.get_num_threads()
    options = {"device": "cpu", "precision": "fp32", "draft": True, "decode": "cpu"}
    made = ImageWorker(backbone.source, options, 0, str(data_root / FOLDER))
    torch.set_num_threads(threads)
    return made


def names(data_root: Path) -> tuple[str, ...]:
    return tuple(sorted(str(path) for path in (data_root / FOLDER).rglob("*.jpg"))[:4])


def test_relative_paths_begin_where_the_program_was_started(worker: ImageWorker, data_root: Path) -> None:
    rows, features, bad = worker.encode(names(data_root), 2)
    relative = tuple(os.path.relpath(name, data_root / FOLDER) for name in names(data_root))
    again = worker.encode(relative, 2)
    assert (rows, bad) == (again[0], again[2]) == ([0, 1, 2, 3], {})
    assert (features == again[1]).all()


@pytest.mark.parametrize(
    ("problem", "message"),
    [(OSError(28, "No space left on device"), "No space left on device"), (MemoryError(), "out of memory")],
)
def test_a_machine_without_room(
    worker: ImageWorker, data_root: Path, monkeypatch: pytest.MonkeyPatch, problem: Exception, message: str
) -> None:
    def full(*_: object) -> None:
        raise problem

    monkeypatch.setattr(worker.backbone, "encode_images", full)
    with pytest.raises(WorkerError, match=f"the worker on {socket.gethostname()}: .*{message}"):
        worker.encode(names(data_root), 2)


def test_a_machine_that_does_not_see_the_folder(worker: ImageWorker, data_root: Path) -> None:
    there = names(data_root)
    broken = Path(there[1])
    broken.write_bytes(broken.read_bytes()[:100])
    rows, _, bad = worker.encode(there, 2)  # that is the image's fault
    assert rows == [0, 2, 3]
    assert list(bad) == [1]
    shutil.rmtree(broken.parent)
    with pytest.raises(WorkerError, match=f"there is no folder {broken.parent} here; images must lie where all see"):
        worker.encode(there, 2)
