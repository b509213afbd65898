"""Promises: outside a terminal a long piece of work logs a line now and then, short work nothing; a bar goes when the
work is done, and messages stay above it."""

from __future__ import annotations

import io
import logging
import re
import sys
from types import ModuleType

import pytest

from debias_pt.cli.start import print_message
from debias_pt.utils.progress import EVERY_S, Lines, progress


def test_a_line_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "debias_pt")
    now = 0.0
    lines = Lines("encoding with tiny", 100, "images", clock=lambda: now)
    for second in range(100):
        now = float(second + 1)
        lines.advance(1)
    assert caplog.messages == [
        "encoding with tiny: 30 of 100 images, 30 s so far, about 70 s left".replace("70 s", "1 min"),
        "encoding with tiny: 60 of 100 images, 1 min so far, about 40 s left",
        "encoding with tiny: 90 of 100 images, 2 min so far, about 10 s left",
    ]
    assert EVERY_S == 30


def test_bytes_and_unknown_totals(capsys: pytest.CaptureFixture[str]) -> None:
    assert Lines("fetching", None, "bytes").line(2.0) == "fetching: 0.0 MB, 2 s so far"
    with progress("short", 2, "images") as advance:
        advance(2)
    assert capsys.readouterr() == ("", "")


class Terminal(io.StringIO):
    """Standard error that is a terminal; :meth:`seen` is what stays on its screen."""

    def isatty(self) -> bool:
        return True

    def seen(self) -> list[str]:
        screen, row = [""], 0
        for part in re.findall(r"\n|\x1b\[A|\r[^\r\n\x1b]*|[^\r\n\x1b]+", self.getvalue()):
            if part == "\n":
                row += 1
                screen += [""] * (row == len(screen))
            elif part == "\x1b[A":
                row -= 1
            elif part.startswith("\r"):
                screen[row] = part[1:] + screen[row][len(part) - 1 :]
            else:
                screen[row] += part
        return [line.rstrip() for line in screen if line.strip()]


def test_short_work_shows_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with progress("short", 2) as advance:
        advance(2)
    assert terminal.getvalue() == ""


def test_long_work_shows_a_bar_that_goes_when_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    monkeypatch.setattr("debias_pt.utils.progress.DELAY_S", 0.0)
    with progress("encoding", 4, "images") as advance:
        advance(1)
        assert "encoding:  25%" in terminal.seen()[0]
        assert "1/4" in terminal.seen()[0]
        print_message("warning: one image is broken")
        with progress("reading", None, "bytes") as inner:
            inner(3_000_000)
            assert [line[:8] for line in terminal.seen()] == ["warning:", "encoding", "reading:"]
            assert "3.00MB" in terminal.seen()[2]
        assert [line[:8] for line in terminal.seen()] == ["warning:", "encoding"]
    assert terminal.seen() == ["warning: one image is broken"]


@pytest.mark.parametrize("ends_early", [True, False])
def test_a_notebook_gets_a_bar_that_goes_when_it_is_done(
    ends_early: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    monkeypatch.setattr("debias_pt.utils.progress.DELAY_S", 0.0)
    with progress("encoding", 4, "images") as advance:
        advance(3 if ends_early else 4)
        text = capsys.readouterr().err
        assert "encoding" in text
    assert capsys.readouterr().err.strip() == ""
