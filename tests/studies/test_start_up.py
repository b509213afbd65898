"""Promises: a process is timed to its end or until a file is there; each command has a line."""

from __future__ import annotations

import pytest

from debias_pt.errors import RunError
from debias_pt.settings import TrainSettings
from studies import start_up as processes


def test_a_process_is_timed_to_its_end_or_until_a_file_is_there() -> None:
    done = processes.run(["-c", "sum(range(10**6))"])
    assert done.seconds > 0
    assert done.cpu_seconds > 0
    assert done.peak_bytes > 1 << 20
    stopped = processes.run(["-c", "import time; open('here', 'w').close(); time.sleep(60)"], until="here")
    assert stopped.seconds < 50
    with pytest.raises(RunError, match="failed .*division by zero"):
        processes.run(["-c", "1 / 0"])


def test_each_command_has_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def no_process(words: list[str], until: str | None = None) -> processes.Run:
        commands.append(words)
        return processes.Run(1.0, 0.5, 1 << 20)

    monkeypatch.setattr(processes, "run", no_process)
    found = processes.measure(TrainSettings(dataset="waterbirds"), rounds=2)
    assert ["-m", "debias_pt", "--help"] in commands
    assert commands[-1][:4] == ["-m", "debias_pt", "train", "waterbirds"]
    assert len(commands) == 2 * len(found) + 1  # the first training is not counted: it fills the cache
    assert processes.start_table(found)[1][0] == ["debias-pt --help", "1 (1 to 1)", "0.5", "1"]
