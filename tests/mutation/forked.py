"""Run tests on changed source in a forked process: heavy libraries are imported once, ours anew each time."""

from __future__ import annotations

import importlib.machinery
import os
import pickle
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from tests.mutation.swap import swap

KILLED, SURVIVED, LATE = "killed", "survived", "timeout"
# Without --assert=plain pytest would load the modules that it is asked to test itself, from their unchanged files.
PLAIN = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--assert=plain"]


def import_heavy() -> None:
    """Import what takes long and is not ours."""
    import hypothesis
    import open_clip
    import pytest
    import scipy.linalg
    import scipy.special
    import sklearn.linear_model
    import torch

    torch.set_num_threads(1)  # a process that has used threads must not be forked
    assert all((hypothesis, open_clip, pytest, scipy.linalg, scipy.special, sklearn.linear_model))
    assert not [name for name in sys.modules if name.startswith("debias_pt")]


def run(changed: dict[Path, CodeType], tests: Sequence[str], limit_s: float) -> tuple[str, float]:
    """Run tests with changed modules; return what became of the mutant, and the seconds.

    The limit is of computing time, so that a busy machine makes no mutant late; ten times it by the clock.
    """
    start = time.perf_counter()
    child = os.fork()
    if not child:
        resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time() + limit_s), resource.RLIM_INFINITY))
        _silently(lambda: _pytest(changed, tests))
    while time.perf_counter() - start < 10 * limit_s:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            if code == -signal.SIGXCPU:
                break
            if code not in (0, 1, 2):  # neither passed, nor failed, nor could not be imported
                raise RuntimeError(f"pytest ended with {code}; see {LOG}")
            return (SURVIVED if code == 0 else KILLED), time.perf_counter() - start
        time.sleep(0.02)
    else:
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return LATE, time.perf_counter() - start


def warm(tests: Sequence[str]) -> None:
    """Import our modules and the tests before forking, so that a child only has to swap the code of a function."""
    import pytest

    kept = os.dup(1), os.dup(2)
    log = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(log, stream)
    try:
        os.environ["PYTEST_XDIST_WORKER"] = "alone"  # one thread
        code = pytest.main([*PLAIN, "--collect-only", *tests])
    finally:
        sys.stdout.flush()
        for stream in (1, 2):
            os.dup2(kept[stream - 1], stream)
    if code:
        raise RuntimeError(f"the tests {tests} cannot be collected; see {LOG}")


OURS = ("debias_pt", "tests", "cli", "benchmarks", "studies")


def _forget() -> None:
    """Import our modules anew, where what has changed is run at import."""
    for name in [name for name in sys.modules if name.split(".")[0] in OURS and not name.startswith("tests.mutation")]:
        del sys.modules[name]


Lines = dict[tuple[str, int], set[str]]


def trace(files: Sequence[Path], tests: Sequence[str]) -> tuple[Lines, dict[str, float]]:
    """Run all tests once; return which of them run each line of some files, and how long each takes.

    Raises
    ------
    RuntimeError
        If a test fails without any change.
    """
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "trace"
        child = os.fork()
        if not child:
            _silently(lambda: _traced(files, tests, kept))
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status):
            raise RuntimeError(f"the tests {tests} do not pass as they are; see {LOG}")
        found: tuple[Lines, dict[str, float]] = pickle.loads(kept.read_bytes())
        return found


LOG = Path(tempfile.gettempdir()) / f"mutation-{os.getuid()}.log"


def _silently(work: Callable[[], int]) -> None:
    """Do work in a session of its own, its output in a file; never return."""
    os.setsid()
    log = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    code = 9
    try:
        code = work()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _pytest(changed: dict[Path, CodeType], tests: Sequence[str], plugins: Sequence[object] = ()) -> int:
    import pytest

    os.environ["PYTEST_XDIST_WORKER"] = "alone"  # one thread
    if not (changed and "tests.conftest" in sys.modules and all(swap(path, code) for path, code in changed.items())):
        _forget()
    whole = importlib.machinery.SourceFileLoader.get_code
    by_name = {str(path.resolve()): code for path, code in changed.items()}

    def get_code(self: importlib.machinery.SourceFileLoader, fullname: str) -> CodeType | None:
        return by_name.get(os.path.realpath(self.path)) or whole(self, fullname)

    importlib.machinery.SourceFileLoader.get_code = get_code  # type: ignore[method-assign,assignment]
    return int(pytest.main([*PLAIN, *tests], plugins=list(plugins)))


class _Tracer:
    """A pytest plugin: which test runs which line."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = {str(path.resolve()): str(path) for path in files}
        self.lines: Lines = defaultdict(set)
        self.seconds: dict[str, float] = {}
        self.now = ""

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.now = nodeid

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration

    def __call__(self, frame: FrameType, event: str, arg: object) -> Any:
        path = self.files.get(frame.f_code.co_filename)
        return None if path is None else self._in(path)

    def _in(self, path: str) -> Any:
        def line(frame: FrameType, event: str, arg: object) -> Any:
            self.lines[(path, frame.f_lineno)].add(self.now)
            return line

        return line


def _traced(files: Sequence[Path], tests: Sequence[str], kept: Path) -> int:
    tracer = _Tracer(files)
    sys.settrace(tracer)
    code = _pytest({}, tests, [tracer])
    sys.settrace(None)
    kept.write_bytes(pickle.dumps((dict(tracer.lines), tracer.seconds)))
    return code
