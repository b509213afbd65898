"""Promises: outside a terminal a long piece of work says a line now and then on standard error, short work nothing."""

from __future__ import annotations

import pytest
from rich.console import Console
from rich.progress import Progress

from debias_pt.utils.progress import EVERY_S, Lines, progress


def test_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    lines = Lines("encoding with tiny", 100, "images", clock=lambda: now)
    for second in range(100):
        now = float(second + 1)
        lines.advance(1)
    out, errors = capsys.readouterr()
    assert out == ""
    assert errors.splitlines() == [
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


def test_a_bar_inside_somebody_elses_bar_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Console, "is_terminal", True)
    with Progress(console=Console()) as theirs:
        theirs.add_task("theirs")
        with progress("ours", 2) as advance:
            advance(1)
