"""Signals as a child process of a terminal's has them."""

from __future__ import annotations

import signal


def heed_interrupts() -> None:
    """Undo what a shell does to its background jobs, whose children ignore SIGINT; for ``preexec_fn``."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
