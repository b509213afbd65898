"""Promises: what a dead process left unfinished is removed by the next that writes there; what a living one, or a
process of another machine, is writing stays."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from debias_pt.utils.cleanup import LONG_AGO_S, UNFINISHED, remove_unfinished, unfinished_name
from debias_pt.utils.files import write_json

KILLED = """
import os, signal
from pathlib import Path
from debias_pt.utils.files import whole_file, whole_folder
with whole_file(Path("a.json")) as file, whole_folder(Path("b"), "--out") as folder:
    file.write_text("half")
    (folder / "c").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name != "posix", reason="process ids are asked for on POSIX only")
def test_what_a_killed_process_left_goes_with_the_next_write(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path, check=False, timeout=60)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert len(left) == 2
    assert all(UNFINISHED.fullmatch(name) for name in left)
    write_json(tmp_path / "d.json", {})
    assert [path.name for path in tmp_path.iterdir()] == ["d.json"]


def test_what_may_still_be_written_stays(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as living:
        own = unfinished_name("a")
        others = own.replace(f"-{os.getpid()}-", f"-{living.pid}-")
        machine = UNFINISHED.fullmatch(own)["machine"]  # type: ignore[index]
        elsewhere, long_ago = (own.replace(machine, digits * 8) for digits in "01")
        mine = {".a.0123456789abcdef0123456789abcdef", ".a.part", ".lock"}
        for name in (own, others, elsewhere, long_ago, *mine):
            (tmp_path / name).write_text("half")
        before = time.time() - LONG_AGO_S - 60
        for name in (long_ago, *mine):
            os.utime(tmp_path / name, (before, before))
        remove_unfinished(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {own, others, elsewhere, *mine}
        living.communicate(b"\n")
