"""A speed result as tables of text."""

from __future__ import annotations

from typing import Any

Table = tuple[list[str], list[list[str]]]

# Figures by row that some sections have: heading and unit.
EXTRA = {"images_per_second": ("images/s", 1), "cpu_seconds": ("CPU seconds", 1), "peak_bytes": ("peak MiB", 2**20)}
# Of a scaling section, after the name of its rows.
SCALING_COLUMNS = (
    "set-up, s",
    "least",
    "peak MiB",
    "step, s",
    "least s",
    "times the least",
    "step's peak MiB",
)


def figure(value: float) -> str:
    """Return a number with three significant digits.

    Examples
    --------
    >>> [figure(value) for value in (0.001234, 1.5, 12.34, 8123.4)]
    ['0.00123', '1.5', '12.3', '8,123']
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def quartiles(part: dict[str, float], unit: float = 1.0) -> str:
    """Return a median with its quartiles."""
    low, high = figure(unit * part["low"]), figure(unit * part["high"])
    return f"{figure(unit * part['median'])} ({low} to {high})"


def table(section: dict[str, Any]) -> Table:
    """Return a section's header and lines."""
    if "exponents" in section:
        return _scaling(section)
    if "numerics" in section:
        return _numerics(section)
    return _floor(section) if "machine" in section else _rows(section)


def _rows(section: dict[str, Any]) -> Table:
    header = [section["title"], "seconds (quartiles)", f"times as fast as {section['baseline']}"]
    extra = {name: section[key] for key, (name, _) in EXTRA.items() if key in section}
    units = dict(EXTRA.values())
    lines = [
        [row["name"], quartiles(row["seconds"]), quartiles(row["times_as_fast"])]
        + [figure(values[row["name"]] / units[name]) for name, values in extra.items()]
        for row in section["rows"]
    ]
    return [*header, *extra], lines


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


def _numerics(section: dict[str, Any]) -> Table:
    header = [section["title"], "images", "mean cosine", "least cosine", "changed predictions, %", "reading faster"]
    lines = []
    for row in section["numerics"]:
        faster = f"{figure(row['reading_times_as_fast'])}x" if "reading_times_as_fast" in row else "-"
        cosines = [f"{row[key]:.6f}" for key in ("mean_cosine", "least_cosine")]
        lines.append([row["name"], str(row["images"]), *cosines, f"{100 * row['changed_predictions']:.1f}", faster])
    return header, lines


def _scaling(section: dict[str, Any]) -> Table:
    """Return a line for every size; the last line holds the fitted exponents."""

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
