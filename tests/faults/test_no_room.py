"""Promises: a full or read-only disk, a folder that is gone, no file handles and no memory are errors of one line, and
the same command succeeds once there is room."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.faults.case import FIT, Case, refused, require_whole, small_disk, trained
from tests.faults.records import scale

GONE = """
import shutil
from debias_pt.workflows.train import Checkpoints
plain = Checkpoints.on_step
def gone(self, training):
    if training.step_ == 5:
        shutil.rmtree(self.run.path)
    plain(self, training)
Checkpoints.on_step = gone
"""


def test_files_that_cannot_grow(case: Case, counted: Any, tmp_path: Path) -> None:
    words = [*case.words("train"), *FIT, "--no-baselines", "--out"]
    case.whole([*words, tmp_path / "whole"])
    with counted(1, "train, every file limited to some hundred bytes (as a full disk)") as row:
        for i, size in enumerate([700, 2500, 1300, 500, 300, 1700, 3000, 4000][: scale(2, 8)]):
            run = tmp_path / str(i)
            ended = case.victims.run([*words, run], tmp_path, cache=case.cache, limits={"RLIMIT_FSIZE": size})
            refused(ended)
            require_whole(run)
            case.whole([*words, run, *(["--resume"] if (run / "config.json").exists() else [])])
            assert trained(run) == trained(tmp_path / "whole")
            row.survived()


def test_a_full_disk(case: Case, counted: Any, tmp_path: Path) -> None:
    words = [*case.words("train"), *FIT, "--no-baselines", "--out"]
    case.whole([*words, tmp_path / "whole"])
    with counted(1, "train on a disk of 8 to 20 kB that is full, then has room") as row:
        for i, size in enumerate(["8k", "12k", "16k", "20k"][: scale(1, 4)]):
            with small_disk(tmp_path / f"disk{i}", size) as disk:
                ended = case.victims.run([*words, disk / "run"], tmp_path, cache=case.cache)
                refused(ended)
                subprocess.run(["mount", "-o", "remount,size=8m", disk], check=True)
                made = (disk / "run" / "config.json").exists()
                case.whole([*words, disk / "run", *(["--resume"] if made else [])])
                assert trained(disk / "run") == trained(tmp_path / "whole")
            row.survived()


def test_a_disk_that_is_read_only(case: Case, counted: Any, tmp_path: Path) -> None:
    with (
        counted(1, "train, encode and export to a disk that is read-only") as row,
        small_disk(tmp_path / "disk", "8m") as disk,
    ):
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        for words in (
            [*case.words("train"), *FIT, "--out", disk / "run"],
            ["export", case.folder / "done", "--out", disk / "export"],
            [*case.words("encode"), "--cache-dir", disk / "cache"],
        ):
            refused(case.victims.run(words, tmp_path, cache=case.cache))
            row.survived()


def test_a_folder_that_is_deleted(case: Case, counted: Any, tmp_path: Path) -> None:
    with counted(1, "train, its run folder deleted meanwhile") as row:
        words = [*case.words("train"), *FIT, "--out", tmp_path / "run"]
        refused(case.victims.run(words, tmp_path, cache=case.cache, patch=GONE))
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        case.whole(words)
        row.survived()


def test_no_file_handles(case: Case, counted: Any, tmp_path: Path) -> None:
    open_now = len(os.listdir(f"/proc/{case.victims.process.pid}/fd"))
    with counted(1, "train with 0 to 6 file handles left") as row:
        for more in range(0, 7, scale(6, 1)):
            run = tmp_path / str(more)
            words = [*case.words("train"), *FIT, "--no-baselines", "--out", run]
            limits = {"RLIMIT_NOFILE": open_now + more}
            ended = case.victims.run(words, tmp_path, cache=case.cache, limits=limits)
            if ended.code:
                refused(ended)
            case.whole([*words, *(["--resume"] if (run / "config.json").exists() else [])])
            row.survived()


def test_no_memory(case: Case, counted: Any, tmp_path: Path) -> None:
    pages = int(Path(f"/proc/{case.victims.process.pid}/statm").read_text().split()[0])
    with counted(1, "train with 0 to 64 MiB of memory left") as row:
        for more in [0, 64, 4, 16, 32][: scale(1, 5)]:
            run = tmp_path / str(more)
            words = [*case.words("train"), *FIT, "--no-baselines", "--out", run]
            limits = {"RLIMIT_AS": pages * os.sysconf("SC_PAGESIZE") + more * 2**20}
            ended = case.victims.run(words, tmp_path, cache=case.cache, limits=limits)
            assert ended.orphans_s is not None
            require_whole(tmp_path)
            case.whole([*words, *(["--resume"] if (run / "config.json").exists() else [])])
            row.survived()
