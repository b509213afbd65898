"""A time limit for reading one image: a file made to keep its decoder busy must not stop the work."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from debias_pt.errors import ImageError
from debias_pt.utils.stores.addresses import shown

LIMIT_S = 60.0


@contextmanager
def time_limit(path: str, seconds: float = LIMIT_S) -> Iterator[None]:
    """Raise for an image that takes longer; in a thread other than the main one, and on Windows, there is no limit.

    Raises
    ------
    ImageError
        Names the file.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise ImageError(f"{shown(path)}: reading this image takes more than {seconds:g} s; replace or remove it")

    before: Any = signal.signal(signal.SIGALRM, stop)
    rest, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, rest)  # somebody else's timer goes on
        signal.signal(signal.SIGALRM, before)
