"""Progress: a bar in a terminal or notebook, elsewhere now and then a line for the log."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from debias_pt.utils.notebook_bar import NotebookBar

LOG = logging.getLogger(__name__)
EVERY_S = 30.0  # between two lines where there is no terminal; short work says nothing


@contextmanager
def progress(title: str, total: int | None, unit: str = "") -> Iterator[Callable[[int], None]]:
    """Show the progress of some work; yields a function to call with the number of items done since the last call.

    Without a `total` it only shows that something moves. The unit "bytes" shows MB and speed.

    Examples
    --------
    >>> with progress("encoding", total=2) as advance:
    ...     advance(2)
    """
    from rich.console import Console
    from rich.errors import LiveError

    console = Console(stderr=True)
    if console.is_jupyter:
        with NotebookBar(title, total, unit) as notebook:
            yield notebook.advance
        return
    if not console.is_terminal:
        yield Lines(title, total, unit).advance
        return
    bar = _bar(console, unit)
    try:
        bar.start()
    except LiveError:  # another bar has the screen: that of the caller
        yield lambda done: None
        return
    try:
        task = bar.add_task(title, total=total)
        yield lambda done: bar.advance(task, done)
    finally:
        bar.stop()


def _bar(console: Any, unit: str) -> Any:
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        *((DownloadColumn(), TransferSpeedColumn()) if unit == "bytes" else (MofNCompleteColumn(), TextColumn(unit))),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, transient=True)


class Lines:
    """Logs a line on how far the work is, at most one in :data:`EVERY_S` seconds.

    Parameters
    ----------
    title, total, unit
        As of :func:`progress`.
    clock : callable
        Seconds.
    """

    def __init__(
        self, title: str, total: int | None, unit: str = "", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.title, self.total, self.unit, self.clock = title, total, unit, clock
        self.done = 0
        self.start = self.last = clock()

    def advance(self, done: int) -> None:
        """Count what was done since, and log a line if it is time."""
        self.done += done
        now = self.clock()
        if now - self.last >= EVERY_S:
            self.last = now
            LOG.info(self.line(now - self.start))

    def line(self, seconds: float) -> str:
        """Return what to log after so many seconds.

        Examples
        --------
        >>> lines = Lines("encoding", 100, "images")
        >>> lines.done = 25
        >>> lines.line(60.0)
        'encoding: 25 of 100 images, 1 min so far, about 3 min left'
        """
        shown: Callable[[int], str] = (lambda n: f"{n / 1e6:.1f} MB") if self.unit == "bytes" else str
        of_all = f" of {shown(self.total)}" if self.total else ""
        unit = f" {self.unit}" if self.unit and self.unit != "bytes" else ""
        left = seconds * (self.total - self.done) / self.done if self.total and self.done else None
        more = f", about {_duration(left)} left" if left is not None else ""
        return f"{self.title}: {shown(self.done)}{of_all}{unit}, {_duration(seconds)} so far{more}"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 60 else f"{seconds / 60:.0f} min"
