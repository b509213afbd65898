"""Progress: a bar in a terminal or notebook, elsewhere now and then a line for the log."""

from __future__ import annotations

import logging
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

LOG = logging.getLogger(__name__)
EVERY_S = 30.0  # between two lines where there is no terminal; short work says nothing
DELAY_S = 2.0  # work that takes less shows no bar


@contextmanager
def progress(title: str, total: int | None, unit: str = "") -> Iterator[Callable[[int], None]]:
    """Show the progress of some work; yields a function to call with the number of items done since the last call.

    The bar appears after two seconds and goes when the work is done. The unit "bytes" shows MB and speed.

    Examples
    --------
    >>> with progress("encoding", total=2) as advance:
    ...     advance(2)
    """
    in_terminal = sys.stderr is not None and sys.stderr.isatty()
    if not (in_terminal or "ipykernel" in sys.modules):
        yield Lines(title, total, unit).advance
        return
    start, done = time.monotonic(), 0
    bar: Any = None

    def advance(more: int) -> None:
        nonlocal done, bar
        done += more
        if bar is not None:
            bar.update(more)
        elif time.monotonic() - start >= DELAY_S:
            bar = _bar(title, total, unit, done)

    try:
        yield advance
    finally:
        if bar is not None:
            bar.total = bar.n  # work that ends early has not failed: in a notebook a failed bar stays
            bar.close()


def _bar(title: str, total: int | None, unit: str, done: int) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a notebook without ipywidgets gets the bar as text
        from tqdm.auto import tqdm
    scale = {"unit": "B", "unit_scale": True} if unit == "bytes" else {"unit": f" {unit}"}
    return tqdm(desc=title, total=total, initial=done, leave=False, dynamic_ncols=True, **scale)


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
