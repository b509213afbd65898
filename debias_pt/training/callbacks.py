"""What may watch a fit: checkpoints, progress, measurements."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from debias_pt.training.loop import Training


class Callback:
    """Watches a fit; override what you need. It must leave the training's results alone.

    Examples
    --------
    >>> class Losses(Callback):
    ...     def __init__(self):
    ...         self.seen = []
    ...     def on_step(self, training):
    ...         self.seen.append(training.run groups[0].history_[-1]["loss"])
    >>> tuner.fit(table, groups, callbacks=[Losses()])  # doctest: +SKIP
    """

    def on_start(self, training: Training) -> None:
        """Look at the training before its first step, or before the first one after a resume."""

    def on_step(self, training: Training) -> None:
        """Look at the training after each update; ``training.step_`` counts them."""


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
