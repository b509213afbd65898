"""The form of every section's result: named rows with seconds and ratios, as plain JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from .timing import Timing, ratios


def section(title: str, timings: Mapping[str, Timing], baseline: str, *, note: str = "", **more: Any) -> dict[str, Any]:
    """Return a section: one row per candidate, with how many times as fast as `baseline` it is.

    Parameters
    ----------
    title : str
        A line.
    timings : mapping of str to Timing
        As :func:`~debias_pt.benchmarks.speed.timing.compare` returns them.
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
