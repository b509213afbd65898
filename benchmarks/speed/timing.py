"""Fair timing on a shared machine: candidates take turns, and ratios are taken within a round.

A slow minute then slows every candidate and cancels in the ratio.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch


@dataclass(frozen=True)
class Spread:
    """Median and quartiles of some figures.

    Examples
    --------
    >>> Spread.of([1.0, 2.0, 3.0, 4.0, 5.0])
    Spread(median=3.0, low=2.0, high=4.0)
    """

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        """Return the median and the quartiles of `values`."""
        low, median, high = (float(value) for value in np.quantile(values, (0.25, 0.5, 0.75)))
        return cls(median, low, high)


@dataclass(frozen=True)
class Timing:
    """Seconds of one candidate, one figure per round."""

    rounds: tuple[float, ...]

    @property
    def seconds(self) -> Spread:
        """Median and quartiles over the rounds."""
        return Spread.of(list(self.rounds))

    def ratio_to(self, baseline: Timing) -> Spread:
        """Return how many times as long as `baseline` this took: the ratio of every round, then its quartiles.

        Examples
        --------
        >>> Timing((4.0, 8.0)).ratio_to(Timing((2.0, 4.0)))
        Spread(median=2.0, low=2.0, high=2.0)
        """
        return Spread.of([mine / other for mine, other in zip(self.rounds, baseline.rounds, strict=True)])

    def to_dict(self) -> dict[str, Any]:
        """Return the seconds of every round with their median and quartiles, for JSON."""
        return {**asdict(self.seconds), "rounds": list(self.rounds)}


def compare(candidates: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Timing]:
    """Time candidates in turns: every round calls each of them once, after one call each that does not count.

    The order turns around from round to round, so that no candidate always follows the same one.

    Parameters
    ----------
    candidates
        What to call, by name. What a call returns is dropped.
    rounds
        How often each is timed, at least 1.

    Examples
    --------
    >>> timings = compare({"sum": lambda: sum(range(1000)), "nothing": lambda: None}, rounds=3)
    >>> sorted(timings), len(timings["sum"].rounds)
    (['nothing', 'sum'], 3)
    """
    if rounds < 1:
        raise ValueError(f"rounds must be at least 1, got {rounds}")
    for call in candidates.values():
        call()
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for done in range(rounds):
        for name in list(candidates) if done % 2 == 0 else reversed(list(candidates)):
            seconds[name].append(_seconds(candidates[name]))
    return {name: Timing(tuple(figures)) for name, figures in seconds.items()}


def ratios(timings: Mapping[str, Timing], baseline: str) -> dict[str, Spread]:
    """Return how many times as fast as `baseline` every candidate is: above 1 is faster.

    Examples
    --------
    >>> ratios({"slow": Timing((4.0, 8.0)), "fast": Timing((2.0, 4.0))}, "slow")["fast"].median
    2.0
    """
    if baseline not in timings:
        raise KeyError(f"no candidate {baseline!r} to compare with; there are {', '.join(timings)}")
    return {name: timings[baseline].ratio_to(timing) for name, timing in timings.items()}


def section(title: str, timings: Mapping[str, Timing], baseline: str, *, note: str = "", **more: Any) -> dict[str, Any]:
    """Return a section: one row per candidate, with how many times as fast as `baseline` it is.

    Parameters
    ----------
    title : str
        A line.
    timings : mapping of str to Timing
        As :func:`compare` returns them.
    baseline : str
        The candidate that the others are compared with.
    note : str
        A remark on the figures.
    more : JSON values
        Further facts.

    Examples
    --------
    >>> section("Sums", {"slow": Timing((2.0,)), "fast": Timing((1.0,))}, "slow")["rows"][1]["times_as_fast"]["median"]
    2.0
    """
    faster = ratios(timings, baseline)
    rows = [
        {"name": name, "seconds": timing.to_dict(), "times_as_fast": asdict(faster[name])}
        for name, timing in timings.items()
    ]
    return {"title": title, "baseline": baseline, "note": note, "rows": rows, **more}


def _seconds(call: Callable[[], object]) -> float:
    _finish()
    start = time.perf_counter()
    call()
    _finish()
    return time.perf_counter() - start


def _finish() -> None:
    """Wait for a GPU to finish: its calls return before their work is done."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
