"""Callbacks that come with the library."""

from __future__ import annotations

from collections.abc import Callable

from debias_pt.training.loop import Callback, Training

__all__ = ["Callback", "Progress"]


class Progress(Callback):
    """Tells a progress bar of every update.

    Parameters
    ----------
    advance : callable
        Told how many updates were made.
    """

    def __init__(self, advance: Callable[[int], None]) -> None:
        self.advance = advance

    def on_start(self, training: Training) -> None:
        """Begin with the updates that an earlier fit made, if this one resumes it."""
        self.advance(training.step_)

    def on_step(self, training: Training) -> None:
        """One more."""
        self.advance(1)
