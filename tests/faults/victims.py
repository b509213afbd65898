"""Commands that tests start, kill and start again: what a test sees of the server in :mod:`tests.faults.server`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LONGEST_S = 120.0
WORKERS_MAY_LIVE_S = 5.0


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, or minus the signal; what it printed; changes to files that it made."""

    code: int
    out: str
    err: str
    changes: int
    orphans_s: float | None  # how long its processes outlived it; None: too long


class Victims:
    """Runs commands in forked children of one process."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.number = folder, 0
        env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "MKL_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.server"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=env,
        )  # fmt: skip

    def ask(self, kind: str, **what: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"kind": kind, **what}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def start(
        self,
        words: Sequence[object],
        cwd: Path,
        *,
        cache: Path,
        at: int = 0,
        after: float | None = None,
        number: signal.Signals = signal.SIGKILL,
        env: Mapping[str, str] | None = None,
        limits: Mapping[str, int] | None = None,
        patch: str = "",
    ) -> Running:
        """Start a command; right before its `at`-th change to files below `cwd` or `cache` it gets a signal."""
        self.number += 1
        files = [self.folder / f"{self.number}.{kind}" for kind in ("out", "err", "count")]
        job = {
            "words": [str(word) for word in words], "cwd": str(cwd), "folders": [str(cwd), str(cache)], "at": at,
            "after": after, "number": int(number), "env": {"DEBIAS_PT_CACHE": str(cache), **(env or {})},
            "limits": dict(limits or {}), "patch": patch, "out": str(files[0]), "err": str(files[1]),
            "counts": str(files[2]),
        }  # fmt: skip
        return Running(self, self.ask("fork", job=job), *files)

    def run(self, words: Sequence[object], cwd: Path, **options: Any) -> Ended:
        return self.start(words, cwd, **options).wait()

    def close(self) -> None:
        self.process.kill()  # the end of its input may never come: forked readers of images hold its other end
        self.process.wait(30)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()


@dataclass(frozen=True)
class Running:
    """A command that was started."""

    victims: Victims
    pid: int
    out: Path
    err: Path
    counts: Path

    def wait(self, timeout: float = LONGEST_S) -> Ended:
        """Wait for the command, and for every process that it started.

        Raises
        ------
        AssertionError
            If it hangs.
        """
        status = self.victims.ask("reap", pid=self.pid, timeout=timeout)
        if status is None:
            os.killpg(self.pid, signal.SIGKILL)
            self.victims.ask("reap", pid=self.pid, timeout=10)
            raise AssertionError(f"it hangs: {self.err.read_text()}")
        lived = self.victims.ask("survivors", group=self.pid, timeout=WORKERS_MAY_LIVE_S)
        if lived is None:
            os.killpg(self.pid, signal.SIGKILL)
        code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        counted = int(self.counts.read_text() or 0) if self.counts.exists() else 0
        return Ended(code, _text(self.out), _text(self.err), counted, lived)


def _text(path: Path) -> str:
    return path.read_bytes().decode(errors="replace") if path.exists() else ""
