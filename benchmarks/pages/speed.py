"""The speed suite as a page: a section for each part that was timed."""

from __future__ import annotations

from typing import Any

from debias_pt.pages.blocks import Page, Paragraph, Section

from ..speed import section_tables as tables
from .parts import footer, remarks, table


def page(result: dict[str, Any]) -> Page:
    """Return the page of a result."""
    sections = [
        Section(one["title"], [table(one["title"], tables.table(one)), *remarks(tables.notes(one))])
        for one in result["sections"]
    ]
    text = "Each part is timed in turn with its alternatives, on one machine; figures are medians with their quartiles."
    return Page(tables.heading(result), f"Speed on {result['dataset']}", [Paragraph(text)], sections, footer())
