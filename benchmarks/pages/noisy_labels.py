"""The noisy-label suite as a page: a section for each experiment."""

from __future__ import annotations

from typing import Any

from debias_pt.pages.blocks import Block, Page, Paragraph, Section

from ..noisy_labels import experiment_tables as tables
from .parts import footer, named_data, remarks, table, warned


def page(result: dict[str, Any]) -> Page:
    """Return the page of a result."""
    sections = [Section(one["title"], _blocks(one)) for one in result["experiments"]]
    if result["published"]:
        shown = table("Published, not measured here", tables.published_table(result), 3)
        sections.append(Section("Published figures", [shown]))
    lead = [*warned(result), *remarks([tables.setting_line(result), *tables.left_out_lines(result)])]
    about = f"{named_data(result)}, {result['split']} split, {result['model']}"
    return Page(about, f"Wrong labels on {result['dataset']}", lead, sections, footer())


def _blocks(one: dict[str, Any]) -> list[Block]:
    blocks: list[Block] = [Paragraph(one["about"]), table(one["title"], tables.main_table(one))]
    blocks += remarks([tables.ensemble_line(one)] if one["experiment"] == "unsupervised" else [])
    blocks += remarks([tables.realised_line(one)])
    if one["findings"]:
        blocks += [table("Does it hold here?", tables.findings_table(one["findings"]), 2)]
        blocks += remarks([tables.reasons(one["findings"])])
    return blocks
