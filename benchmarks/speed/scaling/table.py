"""A scaling section as a table: a line for every size, and the fitted exponents."""

from __future__ import annotations

from typing import Any

COLUMNS = (
    "set-up, s",
    "least",
    "peak MiB",
    "step, s",
    "least s",
    "times the least",
    "step's peak MiB",
)


def scaling_table(section: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return header and lines; the last line holds the exponents."""
    from ..table import figure, spread

    def mib(size: int) -> str:
        return figure(size / 2**20)

    lines = [
        [
            row["name"], spread(row["setup"]), figure(row["setup_floor"]), mib(row["setup_bytes"]), spread(row["step"]),
            figure(row["floor"]), figure(row["times_floor"]), mib(row["step_bytes"]),
        ]
        for row in section["rows"]
    ]  # fmt: skip
    fitted = section["exponents"]
    names = ("setup", "setup_floor", "setup_bytes", "step", "floor", None, "step_bytes")
    powers = ["" if name is None else "-" if fitted[name] is None else f"{fitted[name]:.2f}" for name in names]
    return [section["title"], *COLUMNS], [*lines, [f"grows as {section['axis']} to the power", *powers]]
