"""How fast the command line starts, and how much memory it takes: real processes, one after the other."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from debias_pt.errors import RunError
from debias_pt.settings import TrainSettings
from debias_pt.utils.files import write_json
from debias_pt.workflows.train import portable

from .case import Case
from .sections import section
from .timing import Timing

POLL_S = 0.005


def measure(case: Case) -> list[dict[str, Any]]:
    """Time the command line from the start of the process, with the largest memory that each process held."""
    commands = {
        "debias-pt --help": ["-m", "debias_pt", "--help"],
        "debias-pt data list": ["-m", "debias_pt", "data", "list"],
        "import debias_pt": ["-c", "import debias_pt"],
        "import torch": ["-c", "import torch"],
        "import open_clip": ["-c", "import open_clip"],
    }
    runs = {name: [run(words) for _ in range(case.rounds)] for name, words in commands.items()}
    if not case.random_weights:
        name = "debias-pt train to its first step, features cached"
        runs[name] = [first_step(case.settings) for _ in range(case.rounds)]
    timings = {name: Timing(tuple(one.seconds for one in found)) for name, found in runs.items()}
    more = {
        "cpu_seconds": {name: float(np.median([one.cpu_seconds for one in found])) for name, found in runs.items()},
        "peak_bytes": {name: max(one.peak_bytes for one in found) for name, found in runs.items()},
    }
    note = "separate processes, one after the other; CPU seconds depend less on what else the machine is doing"
    return [section("Start", timings, "import torch", note=note, **more)]


@dataclass
class Run:
    """A process that ended: wall seconds, seconds of processor time, largest resident memory (Linux; 0 elsewhere)."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_bytes: int = 0


def first_step(settings: TrainSettings) -> Run:
    """Run a training until the checkpoint of its first step is on disk."""
    config = portable(settings)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "config.json")
        write_json(file, {**config, "steps": 3, "checkpoint_every": 1})
        words = ["-m", "debias_pt", "train", config["dataset"], "--config", str(file), "--out", "run"]
        return run(words, until="run/checkpoint.safetensors")


def run(words: Sequence[str], until: str | None = None) -> Run:
    """Run Python on `words` in an empty folder, to its end or until a file is there.

    Raises
    ------
    RunError
        If it fails; with the end of its output.
    """
    found = Run()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as said:
        start = time.perf_counter()
        child = subprocess.Popen([sys.executable, *words], cwd=folder, stdout=subprocess.DEVNULL, stderr=said)
        goal = Path(folder, until) if until else None
        watcher = threading.Thread(target=_watch, args=(child, goal, found), daemon=True)
        watcher.start()
        _, status, usage = os.wait4(child.pid, 0)
        found.seconds = time.perf_counter() - start
        found.cpu_seconds = usage.ru_utime + usage.ru_stime
        child.returncode = os.waitstatus_to_exitcode(status)
        watcher.join()
        if child.returncode and not (goal and goal.exists()):
            said.seek(0)
            raise RunError(
                f"{' '.join(words[:4])} ...: failed ({' '.join(said.read().split())[-300:]}); run it by hand"
            )
    return found


def _watch(child: subprocess.Popen[bytes], goal: Path | None, found: Run) -> None:
    """Note the process's peak memory, and end it once its goal is there."""
    while child.returncode is None:
        # The exit status would count the memory of this process, which the child was forked from.
        with contextlib.suppress(OSError, IndexError):
            lines = Path(f"/proc/{child.pid}/status").read_text().split("VmHWM:")
            found.peak_bytes = max(found.peak_bytes, 1024 * int(lines[1].split()[0]))
        if goal is not None and goal.exists():
            os.kill(child.pid, signal.SIGKILL)  # not through Popen, which would consume its exit status
            return
        time.sleep(POLL_S)
