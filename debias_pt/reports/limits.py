"""What the page cannot say, in plain words."""

from __future__ import annotations

from debias_pt.groups.groups import SMALL_GROUP, group_name
from debias_pt.pages.blocks import Listing, Section
from debias_pt.pages.text import named
from debias_pt.reports.evidence import RunEvidence
from debias_pt.utils.words import first_of

OF_PEOPLE = {"gender", "sex", "male", "female", "man", "woman", "men", "women"}
GENDER = (
    "The annotation called gender is what somebody saw in a photograph, as one of two values. It is not how a person "
    "identifies. What the probe answers is a further step away: what a model associates with words. Use it to ask "
    "whether the model's errors depend on it, never to tell a person's gender."
)


def limits_section(evidence: RunEvidence) -> Section:
    """Return the limits that concern this run."""
    result, found = evidence.result, []
    if result["synthetic"]:
        found.append("The images are synthetic, drawn by a program. Nothing here carries over to photographs.")
    if evidence.answers is not None and evidence.answers.path is None:
        found.append("There are features without images, so that no page can show what was mistaken.")
    if result["oracle"]:
        found.append("The run is an oracle: it used annotated attributes, and tells what could be reached with them.")
    if result["groups_from"] == "pseudo":
        found.append(
            "The groups are pseudo groups: the probe's own answers. Where the probe is wrong, an accuracy by group is "
            "that of another group. Annotate some test images to know."
        )
    if result["groups_from"] == "class":
        found.append("No attribute was named, so that differences within a class are not looked at.")
    if speaks_of_gender(evidence):
        found.append(GENDER)
    if result["small_groups"]:
        small = [f"{group_name(g['label'], g['attribute'])} ({g['n']})" for g in result["small_groups"]]
        found.append(f"Groups with fewer than {SMALL_GROUP} images say little: {named(first_of(small))}.")
    if len(result["seeds"]) == 1:
        found.append("There is one seed. Another one gives somewhat other figures; take three or more to see how much.")
    found += [
        "Only the groups named here were looked at. A model can rely on something that nobody suspected.",
        f"The figures are of the {result['split']} split. Images of another place, time or camera can give others.",
        "A higher accuracy in the worst group does not say that a use of the model is right or allowed.",
    ]
    return Section("What this page does not tell you", [Listing(found)])


def speaks_of_gender(evidence: RunEvidence) -> bool:
    """Tell whether a group is about people's gender."""
    result = evidence.result
    words = [*result["reported_by"], *[group["attribute"] or "" for group in result["groups"]]]
    words += [one["name"] for one in result["probe"]["attributes"]]
    return any(part in OF_PEOPLE for word in words for part in word.lower().replace("+", " ").split())
