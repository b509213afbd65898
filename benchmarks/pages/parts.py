"""What the pages of all suites share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from debias_pt.pages.blocks import Block, Paragraph, Table
from debias_pt.utils.versions import versions

from ..shared.tables import Table as TextTable

SYNTHETIC = "Synthetic data: the images were drawn by a program. The figures say nothing about photographs."


def table(caption: str, content: TextTable, left: int = 1) -> Table:
    """Return a suite's table as a block."""
    header, lines = content
    return Table(caption, header, lines, left)


def remarks(lines: Iterable[str]) -> list[Block]:
    """Return the remarks below a table, without those that are empty."""
    return [Paragraph(line.removeprefix("- "), "note") for text in lines for line in text.splitlines() if line]


def warned(result: dict[str, Any]) -> list[Block]:
    """Return what must be known before anything else."""
    return [Paragraph(SYNTHETIC, "warning")] if result["synthetic"] else []


def named_data(result: dict[str, Any]) -> str:
    """Return the data set's name, marked if the data is synthetic."""
    return f"{result['dataset']}{' (synthetic)' if result['synthetic'] else ''}"


def footer() -> str:
    """Say who made the page."""
    return f"Made by debias-pt {versions()['debias-pt']}."
