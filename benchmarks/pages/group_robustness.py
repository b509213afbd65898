"""The group-robustness suite as a page: one data set, an ablation, or several data sets."""

from __future__ import annotations

from typing import Any

from debias_pt.pages.blocks import Bar, BarChart, Block, Page, Paragraph, Section

from ..group_robustness import row_tables as tables
from ..group_robustness.several_sets import set_tables as several
from .parts import footer, named_data, remarks, table, warned

ORACLE = (
    "Rows marked as oracle used attribute labels, which nobody has for a new task; they tell what could be reached."
)


def page(result: dict[str, Any]) -> Page:
    """Return the page of a result, whatever the suite was asked for."""
    if "sets" in result:
        return _several(result)
    return _ablation(result) if "points" in result else _rows(result)


def _rows(result: dict[str, Any]) -> Page:
    worst = tables.worst_name(result["rows"])
    rows = sorted(result["rows"], key=lambda row: -row["worst_group_accuracy"])
    free = [row for row in rows if not row["oracle"]]
    bars = [
        Bar(
            f"{row['name']} (oracle)" if row["oracle"] else row["name"],
            row["worst_group_accuracy"],
            row["image_intervals"]["worst_group_accuracy"],
            accent=bool(free) and row is free[0],
        )
        for row in rows
    ]
    chart = BarChart(f"Accuracy in the {worst}", bars, table("Methods", tables.main_table(result), 2), worst, open=True)
    notes = [f"{tables.LABELS_NOTE}; {tables.seeds_note(result)}. Step selection: {result['selection']}."]
    notes += [tables.probe_line(result), tables.distance_line(result)]
    notes += [tables.left_out_line(result)] if result["left_out"] else []
    notes += tables.unused_lines(result)
    by_group = table("Accuracy by group", tables.group_table(result))
    sections = [
        Section("Method by method", [chart, *remarks(notes)]),
        Section("Group by group", [by_group, *remarks([tables.groups_line(result)])]),
        Section("How sure are the figures?", [table(tables.INTERVALS_NOTE.rstrip(":"), tables.interval_table(result))]),
    ]
    if result["published"]:
        shown = table("Published, not measured here", tables.published_table(result), 7)
        sections.append(Section("Published figures", [shown]))
    lead: list[Block] = [*warned(result), Paragraph(ORACLE, "note")]
    if free:
        best, value = free[0]["name"], 100 * free[0]["worst_group_accuracy"]
        text = f"Without attribute labels, {best} does best in the {worst}: {value:.1f} % are right."
        lead.insert(0, Paragraph(text, "lead"))
    return Page(_about(result), f"Group robustness on {result['dataset']}", lead, sections, footer())


def _ablation(result: dict[str, Any]) -> Page:
    notes = [f"{tables.LABELS_NOTE}; {tables.seeds_note(result)}. Step selection: {result['selection']}."]
    shown = table(f"By {result['varied']}", tables.ablation_table(result), 1)
    sections = [Section(f"What {result['varied']} changes", [shown, *remarks(notes)])]
    title = f"{result['varied']} on {result['dataset']}"
    return Page(_about(result), title, [*warned(result), Paragraph(ORACLE, "note")], sections, footer())


def _several(result: dict[str, Any]) -> Page:
    names = [one["set"] for one in result["sets"]]
    lead: list[Block] = [Paragraph(f"Data sets: {', '.join(names)}."), Paragraph(ORACLE, "note")]
    if any(one["synthetic"] for one in result["sets"]):
        synthetic = [one["set"] for one in result["sets"] if one["synthetic"]]
        lead.append(Paragraph(f"Synthetic, drawn by a program: {', '.join(synthetic)}.", "warning"))
    methods = table("Methods on all data sets", several.overview(result), 2)
    sections = [
        Section("Method by method", [methods, *remarks([f"{several.NOTE}.", *several.unused_lines(result)])]),
        Section("The data sets", [table("Images, and how good the probe is, %", several.set_table(result))]),
    ]
    first = result["sets"][0]
    about = f"{len(names)} data sets, {first['split']} split, {first['model']}, {tables.seeds_note(first)}"
    return Page(about, f"Group robustness on {len(names)} data sets", lead, sections, footer())


def _about(result: dict[str, Any]) -> str:
    return f"{named_data(result)}, {result['split']} split, {result['model']}, {tables.seeds_note(result)}"
