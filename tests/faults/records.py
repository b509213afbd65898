"""What the suite counts for docs/reliability.md: per row, how often something was tried, survived and lost."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

LONG = os.environ.get("DEBIAS_PT_FAULTS") == "long"
RECORDS = os.environ.get("DEBIAS_PT_FAULTS_RECORDS")


def scale(short: int, long: int) -> int:
    """Return how often to try: a few times in plain ``pytest``, often in the run that writes the page."""
    return long if LONG else short


@dataclass
class Row:
    """One row of the page."""

    section: int
    name: str
    counts: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def survived(self, times: int = 1) -> None:
        self.counts["tried"] += times
        self.counts["survived"] += times

    def lost(self, times: int = 1) -> None:
        self.counts["tried"] += times
        self.counts["lost"] += times

    def note(self, text: str) -> None:
        self.notes.append(text)


@contextmanager
def row(section: int, name: str, test: str) -> Iterator[Row]:
    """Count for a row of the page; `test` is what to give to pytest. An exception counts as one that is lost."""
    found = Row(section, name)
    try:
        yield found
    except BaseException:
        found.lost()
        raise
    finally:
        if RECORDS:
            place = Path(RECORDS)
            place.mkdir(parents=True, exist_ok=True)
            whole = {"section": section, "name": name, "test": test, **found.counts, "notes": found.notes}
            number = len(list(place.iterdir()))
            (place / f"{number:03}-{os.getpid()}.json").write_text(json.dumps(whole))
