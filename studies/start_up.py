"""How fast the command line starts, and how much memory it takes: ``python -m studies.start_up DATASET``.

Real processes are timed, one after the other.
"""

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
from typing import Annotated

import numpy as np
import typer

from debias_pt.benchmarks.shared.tables import Table, markdown_table
from debias_pt.benchmarks.speed.section_tables import figure, quartiles
from debias_pt.benchmarks.speed.timing import Timing
from debias_pt.errors import RunError
from debias_pt.settings import TrainSettings
from debias_pt.utils.files import write_json
from debias_pt.workflows.train import portable

POLL_S = 0.005


def measure(settings: TrainSettings, rounds: int) -> dict[str, list[Run]]:
    """Run every command from the start of its process."""
    commands = {
        "debias-pt --help": ["-m", "debias_pt", "--help"],
        "debias-pt data list": ["-m", "debias_pt", "data", "list"],
        "import debias_pt": ["-c", "import debias_pt"],
        "import torch": ["-c", "import torch"],
        "import open_clip": ["-c", "import open_clip"],
    }
    found = {name: [run(words) for _ in range(rounds)] for name, words in commands.items()}
    first_step(settings)  # encodes the images
    found["debias-pt train to its first step, features cached"] = [first_step(settings) for _ in range(rounds)]
    return found


def start_table(found: dict[str, list[Run]]) -> Table:
    """Return a line for every command; CPU seconds depend less on what else the machine is doing."""
    lines = []
    for name, runs in found.items():
        seconds = Timing(tuple(one.seconds for one in runs)).to_dict()
        cpu = float(np.median([one.cpu_seconds for one in runs]))
        peak = max(one.peak_bytes for one in runs)
        lines.append([name, quartiles(seconds), figure(cpu), figure(peak / 2**20)])
    return ["", "seconds (quartiles)", "CPU seconds", "peak MiB"], lines


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


def main(
    dataset: Annotated[str, typer.Argument(help="As for debias-pt train.")] = "waterbirds-mini",
    data_root: Annotated[str, typer.Option(help="Where the data are.")] = TrainSettings.data_root,
    pretrained: Annotated[str | None, typer.Option(help="The model's weights.")] = None,
    rounds: Annotated[int, typer.Option(min=1)] = 7,
) -> None:
    """Print a Markdown table."""
    settings = TrainSettings(dataset=dataset, data_root=data_root, pretrained=pretrained)
    print(markdown_table(*start_table(measure(settings, rounds)), left=1))


if __name__ == "__main__":
    typer.run(main)
