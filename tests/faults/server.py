"""A process that has imported everything and runs the command line in forked children, which a test may kill.

Importing takes seconds and a command on tiny data a fraction of one, so that 200 kills are affordable. A child counts
its own changes to files (Python's audit events) and can stop itself right before the n-th: a moment that a seed draws
again.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import resource
import signal
import sys
import threading
import time
from typing import Any

CHANGES = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate", "os.symlink"}
PR_SET_CHILD_SUBREAPER = 36


class Moments:
    """Counts changes to files below some folders; does something right before the n-th."""

    def __init__(self, folders: list[str], at: int, number: int) -> None:
        self.folders, self.at, self.number, self.count = tuple(folders), at, number, 0

    def __call__(self, event: str, details: tuple[Any, ...]) -> None:
        if event not in CHANGES or not self._changes(event, details):
            return
        self.count += 1
        if self.count == self.at:
            os.kill(os.getpid(), self.number)

    def _changes(self, event: str, details: tuple[Any, ...]) -> bool:
        if event == "open" and not (isinstance(details[2], int) and details[2] & (os.O_WRONLY | os.O_RDWR)):
            return False
        name = os.fsdecode(details[0]) if isinstance(details[0], str | bytes | os.PathLike) else ""
        return os.path.abspath(name).startswith(self.folders)


def child(job: dict[str, Any]) -> None:
    """Run one command; never returns."""
    os.setpgid(0, 0)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    for stream, name in ((1, job["out"]), (2, job["err"])):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(0, "r", closefd=False),
        os.fdopen(1, "w", closefd=False),
        os.fdopen(2, "w", closefd=False),
    )
    counts = os.open(job["counts"], os.O_WRONLY | os.O_CREAT)  # now, while there are file handles
    os.environ.update(job["env"])
    os.chdir(job["cwd"])
    for name, value in job["limits"].items():
        limit = getattr(resource, name)
        resource.setrlimit(limit, (value, resource.getrlimit(limit)[1]))
        if name == "RLIMIT_FSIZE":
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as Python does at its start: an error, not a signal
    moments = Moments(job["folders"], job["at"], job["number"])
    sys.addaudithook(moments)
    if job["after"] is not None:
        threading.Thread(target=_later, args=(job["after"], job["number"]), daemon=True).start()
    code = 0
    try:
        if job["patch"]:
            exec(job["patch"], {})
        from debias_pt.cli.main import main

        main(job["words"])
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 70
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    os.write(counts, str(moments.count).encode())
    os._exit(code)


def _later(seconds: float, number: int) -> None:
    time.sleep(seconds)
    os.kill(os.getpid(), number)


def fork(job: dict[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            child(job)
        finally:
            os._exit(71)
    return pid


def reap(pid: int, timeout: float) -> int | None:
    """Return a child's wait status, or None if it still runs."""
    end = time.monotonic() + timeout
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return status
        if time.monotonic() > end:
            return None
        time.sleep(0.003)


def survivors(group: int, timeout: float) -> float | None:
    """Return how long after now the last process of a group lived; None if one still does."""
    start = time.monotonic()
    while time.monotonic() - start < timeout:
        try:
            while os.waitpid(-group, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return time.monotonic() - start
        time.sleep(0.01)
    return None


def main() -> None:
    """Answer requests, one JSON object a line, until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    import torch

    torch.set_num_threads(1)
    import safetensors.torch  # noqa: F401
    import torch.utils.data

    import debias_pt.benchmarks.group_robustness.suite
    import debias_pt.benchmarks.noisy_labels.suite
    import debias_pt.cli.main
    import debias_pt.reports.build
    import debias_pt.workflows.export
    import debias_pt.workflows.predict
    import debias_pt.workflows.train  # noqa: F401

    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    gc.freeze()
    for line in sys.stdin:
        asked = json.loads(line)
        kind = asked.pop("kind")
        answer = {"fork": fork, "reap": reap, "survivors": survivors}[kind](**asked)  # type: ignore[operator]
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
