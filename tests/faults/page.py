"""``python -m tests.faults.page``: run the long form of the fault suite and write docs/reliability.md."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = float(os.environ.get("DEBIAS_PT_FAULTS_SECONDS", "600"))
PAGE = ROOT / "docs" / "reliability.md"
SECTIONS = {
    1: "Stopped at random moments", 2: "Several processes at once", 3: "Hostile images", 4: "Hostile files",
    5: "What goes out", 6: "Numbers",
}  # fmt: skip
HEAD = """# Reliability

What was done to debias-pt on purpose, and what came of it. `tests/faults/` does it; this page is written by

    python -m tests.faults.page

which is stopped after ten minutes unless `DEBIAS_PT_FAULTS_SECONDS` says otherwise; plain `pytest` runs a short form
of the same tests. Data and model are tiny and synthetic. *Tried* counts kills, files, processes or fits; *survived*
means that what the row's name promises held; *lost* that it did not. Moments are drawn by fixed seeds: three of four
right before a change to files, one by the clock.
"""


def table(rows: list[dict[str, Any]]) -> list[str]:
    lines = ["| what | tried | survived | lost | command |", "| --- | --- | --- | --- | --- |"]
    for row in rows:
        counts = " | ".join(str(row.get(name, 0)) for name in ("tried", "survived", "lost"))
        lines.append(f"| {row['name']} | {counts} | `pytest {row['test']}` |")
    notes = [f"- {row['name']}: {note}." for row in rows for note in row["notes"]]
    return [*lines, *([""] if notes else []), *notes]


def main() -> int:
    """Run everything, write the page, and return pytest's exit code."""
    with tempfile.TemporaryDirectory() as records:
        form = "short" if "--short" in sys.argv else "long"
        env = {**os.environ, "DEBIAS_PT_FAULTS": form, "DEBIAS_PT_FAULTS_RECORDS": records, "OMP_NUM_THREADS": "1"}
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-n",
            "2",
            "--dist",
            "loadfile",
            "-m",
            "faults",
            "tests/faults",
        ]
        process = subprocess.Popen(command, cwd=ROOT, env=env)
        try:
            code = process.wait(LIMIT_S)
            cut = ""
        except subprocess.TimeoutExpired:  # what has been counted is written
            process.terminate()
            code = process.wait()
            cut = (
                f"\nIt was stopped after {LIMIT_S:g} seconds, before its end: rows are what had been counted by then.\n"
            )
        rows = [json.loads(file.read_text()) for file in sorted(Path(records).iterdir())]
    note = "\nThe figures below are of the short form (`--short`); the long one tries more.\n"
    parts = [HEAD + (note if form == "short" else "") + cut]
    for number, title in SECTIONS.items():
        found = [row for row in rows if row["section"] == number]
        if found:
            parts.append("\n".join([f"## {title}", "", *table(found), ""]))
    tail = PAGE.with_name("reliability-limits.md")
    parts.append(tail.read_text() if tail.exists() else "")
    PAGE.write_text("\n".join(parts).rstrip() + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
