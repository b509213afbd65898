"""A speed result as tables of text."""

from __future__ import annotations

from typing import Any

from ..shared.tables import Table

SCALING_COLUMNS = (
    "set-up, s", "least", "peak MiB", "step, s", "least s", "times the least", "step's peak MiB",
)  # fmt: skip


def figure(value: float) -> str:
    """Return a number with three significant digits.

    Examples
    --------
    >>> [figure(value) for value in (0.001234, 1.5, 12.34, 8123.4)]
    ['0.00123', '1.5', '12.3', '8,123']
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def quartiles(part: dict[str, float]) -> str:
    """Return a median with its quartiles."""
    return f"{figure(part['median'])} ({figure(part['low'])} to {figure(part['high'])})"


def table(section: dict[str, Any]) -> Table:
    """Return a section's header and lines."""
    if "exponents" in section:
        return _scaling(section)
    return _floor(section) if "machine" in section else _rows(section)


def _rows(section: dict[str, Any]) -> Table:
    header = [section["title"], "seconds (quartiles)", f"times as fast as {section['baseline']}"]
    lines = [[row["name"], quartiles(row["seconds"]), quartiles(row["times_as_fast"])] for row in section["rows"]]
    if "images_per_second" in section:
        header = [*header, "images/s"]
        lines = [[*line, figure(section["images_per_second"][line[0]])] for line in lines]
    return header, lines


def _floor(section: dict[str, Any]) -> Table:
    header = [section["title"], "seconds (quartiles)", "GFLOP", "MiB read", "least seconds", "times the least"]
    lines = [
        [
            row["name"], quartiles(row["seconds"]), figure(row["operations"] / 1e9), figure(row["bytes"] / 2**20),
            figure(row["floor"]), figure(row["times_floor"]),
        ]
        for row in section["rows"]
    ]  # fmt: skip
    return header, lines


def _scaling(section: dict[str, Any]) -> Table:
    """Return a line for every size; the last line holds the exponents."""

    def mib(size: int) -> str:
        return figure(size / 2**20)

    lines = [
        [
            row["name"], quartiles(row["setup"]), figure(row["setup_floor"]), mib(row["setup_bytes"]),
            quartiles(row["step"]), figure(row["floor"]), figure(row["times_floor"]), mib(row["step_bytes"]),
        ]
        for row in section["rows"]
    ]  # fmt: skip
    fitted = section["exponents"]
    names = ("setup", "setup_floor", "setup_bytes", "step", "floor", None, "step_bytes")
    powers = ["" if name is None else "-" if fitted[name] is None else f"{fitted[name]:.2f}" for name in names]
    return [section["title"], *SCALING_COLUMNS], [*lines, [f"grows as {section['axis']} to the power", *powers]]


def notes(section: dict[str, Any]) -> list[str]:
    """Return the remarks below a section's table."""
    said = [section["note"]] if section["note"] else []
    if "machine" in section:
        rates = section["machine"]
        said.append(
            f"this machine: {figure(rates['operations_per_second'] / 1e9)} GFLOP/s, "
            f"{figure(rates['bytes_per_second'] / 1e9)} GB/s"
        )
    return said


def heading(result: dict[str, Any]) -> str:
    """Name data, model and machine; synthetic data and random weights are called so."""
    kind = " (synthetic)" if result["synthetic"] else ""
    at, machine = "quick, " if result["quick"] else "", result["machine"]
    return (
        f"{result['dataset']}{kind}, {result['model']}; {machine['device']}, {machine['cores']} cores, "
        f"{machine['threads']} threads; {at}median of {result['rounds']} rounds"
    )
