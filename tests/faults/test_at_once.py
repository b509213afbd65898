"""Promises: any number of processes may use one cache; one of them trains in a run folder; with and without locks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.faults.case import FIT, SMALL_SHARDS, Case, held, trained
from tests.faults.records import scale

NO_LOCKS = """
import errno, fcntl
def refuse(*words):
    raise OSError(errno.ENOLCK, "No locks available")
fcntl.flock = refuse
"""


@pytest.mark.parametrize("locks", [True, False])
def test_one_cache(case: Case, counted: Any, tmp_path: Path, locks: bool) -> None:
    with counted(2, f"8 processes fill one cache, {'with' if locks else 'without'} locks") as row:
        for i in range(scale(1, 3)):
            options = {"cache": tmp_path / f"cache{i}", "patch": SMALL_SHARDS + ("" if locks else NO_LOCKS)}
            started = [case.victims.start(case.words("encode"), tmp_path, **options) for _ in range(8)]
            ended = [one.wait() for one in started]
            assert [one.code for one in ended] == [0] * 8, [one.err for one in ended]
            assert locks or any("this file system has no locks" in one.err for one in ended)
            assert len(set(held(tmp_path / f"cache{i}").keys.tolist())) == 90
            row.survived(8)


@pytest.mark.parametrize("locks", [True, False])
def test_one_run_folder(case: Case, counted: Any, tmp_path: Path, locks: bool) -> None:
    words = [*case.words("train"), *FIT, "--no-baselines", "--out"]
    case.whole([*words, tmp_path / "whole"])
    with counted(2, f"8 processes start one run, {'with' if locks else 'without'} locks: one trains") as row:
        for i in range(scale(1, 5)):
            run = tmp_path / str(i)
            options = {"cache": case.cache, "patch": "" if locks else NO_LOCKS}
            started = [case.victims.start([*words, run], tmp_path, **options) for _ in range(8)]
            ended = [one.wait() for one in started]
            assert sorted(one.code for one in ended) == [0] + [2] * 7, [one.err for one in ended]
            assert trained(run) == trained(tmp_path / "whole")
            row.survived(8)
