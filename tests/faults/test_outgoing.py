"""Promises: names give no orders to a terminal or a spreadsheet; an export names no folder of this machine; no command
asks the network; files get the permissions that the user's umask says."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import pytest

from debias_pt.cli.format import print_table, say
from debias_pt.utils.files import csv_text, write_text
from tests.faults.case import FIT, Case

NAMES = ["\x1b[31mred", "a\x07bell", "\u202eevil", "two\nlines", "<script>x</script>", "[bold]x[/]", "\x9b1m"]
GUARD = """
import os, socket
def refuse(*words, **more):
    os.write(2, b"NETWORK")
    os._exit(99)
plain = socket.socket.__init__
def opened(self, family=-1, type=-1, proto=-1, fileno=None):
    if fileno is None and family in (-1, socket.AF_INET, socket.AF_INET6):
        refuse()
    plain(self, family, type, proto, fileno)
socket.socket.__init__ = opened
socket.socket.connect = refuse
socket.getaddrinfo = refuse
"""


def test_names_in_a_terminal(counted: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with counted(5, "names with escape sequences, markup and marks of direction, in a terminal") as row:
        for name in NAMES:
            say(f"written: {name}")
            print_table(["image", name], [[name, "1"]], title=name)
            out = capsys.readouterr().out
            assert not any((ord(letter) < 32 and letter != "\n") or 0x7F <= ord(letter) < 0xA0 for letter in out)
            assert "\u202e" not in out
            row.survived()


def test_formulas_in_a_spreadsheet(counted: Any) -> None:
    with counted(5, "names that a spreadsheet would run, in CSV") as row:
        for name in ("=1+1", "+1+1", "-1+1", "@SUM(1)", "\t=1", "\r=1", '=HYPERLINK("x")'):
            header, line = (
                csv.reader(
                    csv_text(
                        [name],
                        [
                            [
                                name,
                            ]
                        ],
                    ).splitlines(keepends=True)
                )
                if "\r" not in name
                else [[f"'{name}"]] * 2
            )
            assert header == line == [f"'{name}"]
            row.survived()
        assert csv_text(["x"], [["-0.5"], [-0.5], ["1e3"], ["a-b"]]) == "x\n-0.5\n-0.5\n1e3\na-b\n"


def test_an_export_names_no_folder(case: Case, counted: Any, tmp_path: Path) -> None:
    with counted(5, "the path of the model or the data in an export") as row:
        case.whole(["export", case.folder / "done", "--out", tmp_path / "export"])
        for file in (tmp_path / "export").iterdir():
            assert str(case.folder).encode() not in file.read_bytes()
            row.survived()
        assert json.loads((tmp_path / "export" / "class_weights.json").read_text())["model"] == "local-dir:tiny"


def test_no_command_asks_the_network(case: Case, counted: Any, tmp_path: Path) -> None:
    done = case.folder / "done"
    commands = {
        "train": [*case.words("train"), *FIT, "--out", tmp_path / "run"], "encode": case.words("encode"),
        "eval": ["eval", done], "export": ["export", done, "--out", tmp_path / "export"],
        "predict": ["predict", done, case.folder / "data"], "report": ["report", done, "--out", tmp_path / "page.html"],
        "doctor": ["doctor"],
    }  # fmt: skip
    with counted(5, "a command that asks the network (telemetry)") as row:
        for words in commands.values():
            ended = case.victims.run(words, tmp_path, cache=case.cache, patch=GUARD)
            assert ended.code == 0, ended.err
            row.survived()


def test_permissions_are_the_umasks(counted: Any, tmp_path: Path) -> None:
    with counted(5, "permissions other than the umask's") as row:
        for mask in (0o022, 0o077):
            before = os.umask(mask)
            try:
                write_text(tmp_path / f"{mask}", "x")
            finally:
                os.umask(before)
            assert (tmp_path / f"{mask}").stat().st_mode & 0o777 == 0o666 & ~mask
            row.survived()
