"""What comes first: the verdict in a sentence, and accuracy by group before and after."""

from __future__ import annotations

from typing import Any

from debias_pt.groups.groups import SMALL_GROUP, group_name
from debias_pt.groups.metrics import SCALARS
from debias_pt.groups.report_view import group_chart
from debias_pt.methods.composition import choice_text, parts_text
from debias_pt.pages.blocks import Block, Cell, Paragraph, Section, Table, interval, per_cent
from debias_pt.pages.text import named
from debias_pt.reports.evidence import RunEvidence
from debias_pt.utils.words import counted, first_of

LOST = 0.05  # a group that loses more is named
NAMED = 4  # of these


def of_100(value: float) -> str:
    """Return a fraction as a number out of a hundred.

    >>> of_100(0.768)
    '77'
    """
    return f"{100 * value:.0f}"


def headline(evidence: RunEvidence) -> str:
    """Return the page's title."""
    kind = "pseudo group" if evidence.result["groups_from"] == "pseudo" else "group"
    return (
        f"In the worst {kind}, {of_100(evidence.result['worst_group_accuracy'])} of 100 images are classified correctly"
    )


def verdict(evidence: RunEvidence) -> str:
    """Say in a sentence how the worst group does, how sure that is, and how it did before."""
    result, ends = evidence.result, evidence.image_intervals["worst_group_accuracy"]
    kind = "pseudo group" if result["groups_from"] == "pseudo" else "group"
    text = (
        f"In the worst {kind} ({named(evidence.worst_name)}), {of_100(result['worst_group_accuracy'])} of 100 are "
        f"right, 95 % interval {of_100(ends[0])} to {of_100(ends[1])}"
    )
    if evidence.baseline is None:
        return f"{text}."
    worst = worst_of(evidence.baseline)
    other = "" if worst == evidence.worst_name else f" (there the worst is {named(worst)})"
    return f"{text}; before, with {evidence.before_text}: {of_100(evidence.baseline['worst_group_accuracy'])}{other}."


def worst_of(scores: dict[str, Any]) -> str:
    """Return the name of the group with the lowest accuracy."""
    there = [group for group in scores["groups"] if group["n"]]
    worst = min(there, key=lambda group: group["accuracy"])
    return group_name(worst["label"], worst["attribute"])


def lead(evidence: RunEvidence) -> list[Block]:
    """Return what must be known before anything else."""
    result = evidence.result
    blocks: list[Block] = [Paragraph(verdict(evidence), "lead"), Paragraph(explanation(evidence))]
    if "parts" in result:
        blocks.append(Paragraph(f"What was fitted: {parts_text(result['parts'])}."))
        blocks += [Paragraph(f"{choice_text(result['parts']).capitalize()}.")] if "auto" in result["parts"] else []
    if effect := result.get("attribute_effect"):
        text = effect["sentence"]
        blocks.append(Paragraph(f"{text[:1].upper()}{text[1:]}."))
    if costs := lost(evidence):
        blocks.append(Paragraph(f"What that costs: {costs}."))
    return [*blocks, *[Paragraph(text, "warning") for text in warnings_of(evidence)]]


def explanation(evidence: RunEvidence) -> str:
    """Say what a group is, and why the average is not enough."""
    result = evidence.result
    average = f"On average {of_100(result['average_accuracy'])} of 100 images are right"
    if result["groups_from"] == "class":
        return f"The groups are the classes: no attribute was named. {average}."
    who = "as annotated" if result["groups_from"] == "true" else "as the probe answers, nobody checked it"
    names = " and ".join(map(named, result["reported_by"]))
    return (
        f"A group is a class together with a value of {names}, {who}. A model that relies on {names} does well on the "
        f"usual combinations and badly on the rare ones, which an average hides. {average}."
    )


def lost(evidence: RunEvidence) -> str:
    """Name the groups that do worse than before, those that lost most first."""
    if evidence.baseline is None:
        return ""
    pairs = zip(evidence.result["groups"], evidence.baseline["groups"], strict=True)
    worse = [(old["accuracy"] - now["accuracy"], now, old) for now, old in pairs if now["n"]]
    worse = sorted((one for one in worse if one[0] > LOST), key=lambda one: -one[0])
    named_groups = [
        f"{named(group_name(now['label'], now['attribute']))} went from {of_100(old['accuracy'])} to "
        f"{of_100(now['accuracy'])} of 100"
        for _, now, old in worse
    ]
    more = len(named_groups) - NAMED
    return "; ".join([*named_groups[:NAMED], *([f"and {counted(more, 'other group')}"] if more > 0 else [])])


def warnings_of(evidence: RunEvidence) -> list[str]:
    """Return what a reader must not overlook."""
    result, found = evidence.result, []
    if result["synthetic"]:
        found.append("Synthetic data: the images were drawn by a program. The figures say nothing about photographs.")
    if result["oracle"]:
        used = " and ".join(result["attribute_labels_used"])
        found.append(f"Oracle: annotated attributes were used ({used}), which nobody has for a new task.")
    if result["worst_group"]["n"] < SMALL_GROUP:
        n = counted(result["worst_group"]["n"], "image")
        found.append(f"The worst group has {n}: too few for a figure to rely on.")
    if evidence.answers is None:
        found.append(
            "The images or the model were not where the run had them. The figures are those of the end of training; "
            "sample images and confidence are left out."
        )
    return found


def by_group(evidence: RunEvidence) -> Section:
    """Return accuracy by group, before and after, and the averages."""
    result, before = evidence.result, evidence.baseline
    old = (before["groups"], f"before: {evidence.before_text}") if before else (None, "")
    chart = group_chart(result, f"now: {result['method']}", *old)
    empty = [group_name(g["label"], g["attribute"]) for g in result["groups"] if not g["n"]]
    note = [Paragraph(f"Without an image in this split: {named(first_of(empty))}.", "note")] if empty else []
    return Section("Group by group", [chart, *note, averages(evidence)])


def averages(evidence: RunEvidence) -> Table:
    """Return the figures over all groups, with those of the baselines."""
    result = evidence.result
    others = result.get("baselines", {})
    over_images = evidence.image_intervals
    rows: list[list[Cell]] = [
        [
            words,
            *[per_cent(one[name]) for one in (*others.values(), result)],
            interval(over_images.get(name)),
            *([interval(result["intervals"].get(name))] if len(result["seeds"]) > 1 else []),
        ]
        for name, words in SCALARS.items()
    ]
    header = ["figure", *[f"{name}, %" for name in (*others, result["method"])], "95 % interval, over images"]
    header += ["95 % interval, over seeds"] if len(result["seeds"]) > 1 else []
    return Table("Over all groups (adjusted: weighted by the groups' frequency in training)", header, rows)
