"""Promises: outside a terminal a long piece of work logs a line now and then, short work nothing."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from rich.console import Console
from rich.progress import Progress

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


def test_a_bar_inside_somebody_elses_bar_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Console, "is_terminal", True)
    with Progress(console=Console()) as theirs:
        theirs.add_task("theirs")
        with progress("ours", 2) as advance:
            advance(1)


def test_a_notebook_gets_a_bar_that_goes_when_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    display = pytest.importorskip("IPython.display", reason="notebooks have IPython")
    shown: list[str] = []

    class Handle:
        def update(self, html: Any) -> None:
            shown.append(html.data)

    def first(html: Any, **options: object) -> Handle:
        shown.append(html.data)
        return Handle()

    monkeypatch.setattr(display, "display", first)
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    with progress("encoding <x>", 4, "images") as advance:
        advance(3)
    assert shown[1] == 'encoding &lt;x&gt; <progress value="3" max="4"></progress> 3 of 4 images'
    assert shown[-1] == ""
