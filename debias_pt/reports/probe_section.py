"""What the probe said, how far to trust it, and the words it was asked with."""

from __future__ import annotations

from typing import Any

from debias_pt.groups.inferred_groups import inferred_text
from debias_pt.groups.probe_report import probe_sentence
from debias_pt.pages.blocks import Block, Cell, Facts, Listing, Paragraph, Section, Table, per_cent
from debias_pt.pages.text import named
from debias_pt.reports.evidence import RunEvidence
from debias_pt.utils.words import first_of
from debias_pt.workflows.evaluate import run_settings
from debias_pt.workflows.job import rests_on_words

TITLE = "What the probe said, and how far to trust it"
TRUST = {
    "usable": "the words can be used, and groups be built on the probe's answers",
    "doubtful": "the words are doubtful; look at the answers before you rely on them",
    "not usable": "the words are not usable; groups built on the probe's answers mean little",
}


def probe_section(evidence: RunEvidence) -> Section:
    """Return what the probe said."""
    probe = evidence.result["probe"]
    inferred = _inferred(evidence)
    if probe["kind"] is None:
        text = "Nothing was asked: this method looks at no attribute, and none was named."
        return Section(TITLE, [Paragraph(text), *inferred])
    asked = f"The frozen model was asked for the suspected attribute in words, image by image ({probe['kind']} probe)"
    used = rests_on_words(run_settings(evidence.run, {}))
    said = (
        "each class was split by its answers; nobody had to annotate" if used else "training made no use of its answers"
    )
    blocks: list[Block] = [Paragraph(f"{asked}; {said}.")]
    for name, verdict in probe.get("guard", {}).get("attributes", {}).items():
        why = "; ".join(verdict["reasons"])
        advice = f" {why[:1].upper()}{why[1:]}. What to do: {verdict['advice']}." if why else ""
        text = f"The guard says of {named(name)}: {TRUST[verdict['verdict']]}.{advice}"
        blocks.append(Paragraph(text, "" if verdict["verdict"] == "usable" else "warning"))
    known = {"": probe} if "accuracy" in probe else probe.get("by_attribute", {})
    for name, one in known.items():
        of = f" of {named(name)}" if name else ""
        blocks += [
            Paragraph(f"Beside the annotation, the probe{of} is {probe_sentence(one)}."),
            answers_table(name, one),
        ]
    if "accuracy" not in probe:
        confidence = ", ".join(f"{named(name)} {100 * sure:.0f} %" for name, sure in probe["mean_confidence"].items())
        blocks += [
            *[Paragraph(f"How good the probe is cannot be said of {missing}.") for missing in probe["not_annotated"]],
            Paragraph(f"How sure it says it is, on average: {confidence}."),
            Table(
                "Training images by the probe's answers",
                ["pseudo group", "images"],
                [[name, str(n)] for name, n in probe["pseudo_group_sizes"].items()],
            ),
        ]
    return Section(TITLE, [*blocks, *inferred])


def _inferred(evidence: RunEvidence) -> list[Block]:
    """Say how the images themselves split the groups, if they did."""
    facts = evidence.result.get("inferred")
    if facts is None:
        return []
    text = inferred_text(facts)
    return [Paragraph(f"{text[:1].upper()}{text[1:]}. No word was needed for that, and no annotation.")]


def answers_table(name: str, one: dict[str, Any]) -> Table:
    """Return the probe's answers beside the annotation, by group."""
    rows: list[list[Cell]] = [
        [
            f"{group['label']}, {group['attribute']}",
            str(group["n_true"]),
            str(group["n_pseudo"]),
            per_cent(group["recall"]),
            per_cent(group["precision"]),
        ]
        for group in one["groups"]
    ]
    header = ["group", "images as annotated", "as the probe answers", "recall, %", "precision, %"]
    return Table(f"The probe's answers on the training images{f', {name}' if name else ''}", header, rows)


def words_section(evidence: RunEvidence) -> Section:
    """Return the words that the probe was asked with."""
    attributes = evidence.result["probe"]["attributes"]
    if not attributes:
        return Section("The suspected words", [Paragraph("No attribute was suspected.")])
    blocks: list[Block] = [
        Paragraph("The probe depends on these words. Other words for the same suspicion can give other groups.")
    ]
    for attribute in attributes:
        facts = [(value, first_of(list(phrases), 40)) for value, phrases in attribute["values"].items()]
        blocks += [Paragraph(f"Suspected: {named(attribute['name'])}. Its values and their phrases:"), Facts(facts)]
        blocks += [Paragraph("Each phrase is put into these prompts:"), Listing(attribute["templates"])]
    return Section("The suspected words", blocks)
