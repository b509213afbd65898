"""Promises: what ``test_no_room`` promises of train, of the other commands that write."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.faults.case import (
    OUTPUTS,
    SMALL_SHARDS,
    SUITES,
    Case,
    figures,
    held,
    refused,
    require_nothing_left,
    require_whole,
    small_disk,
)
from tests.faults.records import LONG, scale

COMMANDS = ["encode", "predict", *(("export", "report") if LONG else ())]
ROOM = 6000  # bytes left on the full disk: some results of a suite


def prepared(case: Case, command: str, place: Path) -> tuple[list[object], dict[str, Any]]:
    """Return a command's words and options; what it writes goes below `place`."""
    place.mkdir()
    options: dict[str, Any] = {"cwd": place, "cache": place / "cache"}
    if command == "encode":
        return [*case.words("encode"), "--encode-batch-size", 8], {**options, "patch": SMALL_SHARDS}
    if command in SUITES:
        return [*case.words("bench", command), *SUITES[command], "--json"], {
            **options,
            "cache": case.copy_cache(place / "cache"),
        }
    (place / "data").symlink_to(case.folder / "data")
    return [command, case.folder / "done", *OUTPUTS[command][0]], {**options, "cache": case.cache}


def outcome(command: str, place: Path, out: str) -> object:
    """Return what must be the same however often the command was stopped before."""
    if command == "encode":
        return held(place / "cache").keys.tolist()
    if command in SUITES:
        return figures(json.loads(out))
    return [(place / name).read_bytes() for name in OUTPUTS[command][1]]


def stopped_by(case: Case, row: Any, command: str, tmp_path: Path, limits: list[dict[str, int]]) -> None:
    words, options = prepared(case, command, tmp_path / "whole")
    expected = outcome(command, tmp_path / "whole", case.whole(words, **options).out)
    for i, limit in enumerate(limits):
        place = tmp_path / str(i)
        words, options = prepared(case, command, place)
        ended = case.victims.run(words, limits=limit, **options)
        if ended.code:
            refused(ended)
        require_whole(place)
        assert outcome(command, place, case.whole(words, **options).out) == expected
        require_nothing_left(place)
        row.survived()


@pytest.mark.parametrize("command", COMMANDS)
def test_files_that_cannot_grow(case: Case, counted: Any, tmp_path: Path, command: str) -> None:
    sizes = [300, 700, 1500, 3000, 500, 1000][: scale(1, 6)]
    with counted(1, f"{command}, every file limited to 300 to 3,000 bytes (as a full disk)") as row:
        stopped_by(case, row, command, tmp_path, [{"RLIMIT_FSIZE": size} for size in sizes])


@pytest.mark.parametrize("suite", sorted(SUITES) if LONG else ["group-robustness"])
def test_a_full_disk(case: Case, counted: Any, tmp_path: Path, suite: str) -> None:
    words, options = prepared(case, suite, tmp_path / "whole")
    expected = outcome(suite, tmp_path / "whole", case.whole(words, **options).out)
    with counted(1, f"bench {suite}, its cache on a disk that is full, then has room") as row:
        for room in [0, ROOM, 2 * ROOM, 4 * ROOM][: scale(1, 4)]:
            with small_disk(tmp_path / f"disk{room}", "4m") as disk:
                words, options = prepared(case, suite, disk / "place")
                free = os.statvfs(disk)
                (disk / "filler").write_bytes(bytes(free.f_bavail * free.f_bsize - room // 4096 * 4096))
                ended = case.victims.run(words, **options)
                if ended.code:
                    refused(ended)
                require_whole(disk)
                (disk / "filler").unlink()
                assert outcome(suite, disk / "place", case.whole(words, **options).out) == expected
                require_nothing_left(disk)
            row.survived()


@pytest.mark.skipif(not LONG, reason="in the long form only")
@pytest.mark.parametrize("command", COMMANDS)
def test_no_file_handles(case: Case, counted: Any, tmp_path: Path, command: str) -> None:
    open_now = len(os.listdir(f"/proc/{case.victims.process.pid}/fd"))
    with counted(1, f"{command} with 0 to 5 file handles left") as row:
        stopped_by(case, row, command, tmp_path, [{"RLIMIT_NOFILE": open_now + more} for more in range(6)])


@pytest.mark.skipif(not LONG, reason="in the long form only")
@pytest.mark.parametrize("command", COMMANDS)
def test_no_memory(case: Case, counted: Any, tmp_path: Path, command: str) -> None:
    used = int(Path(f"/proc/{case.victims.process.pid}/statm").read_text().split()[0]) * os.sysconf("SC_PAGESIZE")
    with counted(1, f"{command} with 0 to 32 MiB of memory left") as row:
        stopped_by(case, row, command, tmp_path, [{"RLIMIT_AS": used + (more << 20)} for more in (0, 2, 8, 32)])
