"""Results for people: the reports of ``train``, ``eval`` and ``probe``."""

from __future__ import annotations

from typing import Any

from debias_pt.utils.words import percent

from .format import data_name, interval, print_table, say
from .tables import print_groups, print_probe_report, print_pseudo_sizes, worst_group_text


def run_notes(result: dict[str, Any]) -> list[str]:
    """Return what must be said about a run wherever its classifier is used."""
    notes = []
    if result["synthetic"]:
        notes.append("the run was trained on synthetic images: expect little of it on photographs")
    if result["oracle"]:
        notes.append(f"ORACLE: the run used annotated attributes ({', '.join(result['attribute_labels_used'])})")
    return notes


def print_report(result: dict[str, Any]) -> None:
    """Print the result of ``train`` or ``eval``."""
    from debias_pt.groups.metrics import SCALARS

    oracle = ", ORACLE: fitted or selected with true attributes" if result["oracle"] else ""
    seeds = f"{len(result['seeds'])} seeds" if len(result["seeds"]) > 1 else f"seed {result['seeds'][0]}"
    say(f"{data_name(result)}, {result['split']} split: {result['method']}{oracle}, {result['model']}, {seeds}")
    print_found(result)
    if "parts" in result:  # runs of older versions do not say
        from debias_pt.methods.composition import choice_text, parts_text

        say(parts_text(result["parts"]))
        if "auto" in result["parts"]:
            say(choice_text(result["parts"]))
    say(f"report by: {groups_text(result)}")
    others = result.get("baselines", {})
    names = [f"{name}, %" for name in (*others, result["method"])]
    over_images = result.get("image_intervals", {}) if len(result["seeds"]) > 1 else {}
    more = [result["image_interval"]] if over_images else []  # of one run, the same as the first
    rows = [
        [
            text,
            *[percent(one[name]) for one in (*others.values(), result)],
            interval(result["intervals"].get(name)),
            *[interval(over_images.get(name)) for _ in more],
        ]
        for name, text in SCALARS.items()
    ]
    print_table(["", *names, result["interval"], *more], rows)
    say("adjusted: the groups weighted by their frequency in training")
    for name, one in others.items():
        if name != "zero-shot" and "what" in one:
            say(f"baseline: {one['what']}")
    print_groups(result, others)
    print_effect(result)
    if "by_pseudo_groups" in result:
        by_pseudo = {**result, "attribute_effect": result.get("effect_of_asked"), **result["by_pseudo_groups"]}
        say(f"\nThe same by groups: {groups_text(by_pseudo)}")
        print_groups(by_pseudo, {})
        print_effect(by_pseudo)
        say()
    print_probe_quality(result["probe"])
    print_guard(result["probe"])
    if "inferred" in result:
        from debias_pt.groups.inferred_groups import inferred_text

        say(inferred_text(result["inferred"]))
    labels = ", ".join(result["attribute_labels_used"]) or "none"
    say(f"step selection: {result['selection']}{kept_steps(result)}; attribute labels used: {labels}")
    say(f"run: {result['run']}")


def print_found(result: dict[str, Any]) -> None:
    """Say that an attribute was found rather than named, where it was."""
    found = result.get("discovery")
    if found is None:
        return
    if found["attribute"] is None:
        instead = f"; instead: --method {found['instead']}, without an attribute" if "instead" in found else ""
        say(f"--attribute auto: no attribute is named: {found['reason']}{instead}")
        return
    share = f"{percent(found['explained'])} % ({interval(found['explained_interval'])})"
    say(
        f"attribute FOUND, named by nobody: {found['attribute']}; it explains {share} of the errors of a cross-fitted "
        f"head, and is {found['guard']['verdict']} (debias-pt discover shows its images)"
    )


def print_effect(result: dict[str, Any]) -> None:
    """Print which group is worst, and how much the attribute mattered."""
    say(worst_group_text(result))
    effect = result.get("attribute_effect")
    if effect:
        say(f"{capital(effect['sentence'])} ({effect['interval'].removeprefix('95 % ')}).")


def groups_text(result: dict[str, Any]) -> str:
    """Say what the groups of a report are made of, and whether anybody checked them."""
    names = " x ".join(["class", *result["reported_by"]])
    if result["groups_from"] == "pseudo":
        return f"{names}, PSEUDO: as the probe answers, nothing is annotated"
    return f"{names}, as annotated" if result["groups_from"] == "true" else f"{names}, no attribute"


def kept_steps(result: dict[str, Any]) -> str:
    """Say which steps were kept; nothing of a run that does not tell."""
    steps = result.get("selected_steps")
    if not steps:
        return ""
    total = f" of {result['steps']}" if "steps" in result else ""
    return f", kept step {', '.join(map(str, steps))}{total}"


def print_probe_quality(probe: dict[str, Any]) -> None:
    """Print in a line for every annotated attribute how good the probe is on the training images."""
    from debias_pt.groups.probe_report import probe_sentence

    known = {"": probe} if "accuracy" in probe else probe.get("by_attribute", {})
    for name, one in known.items():
        who = f"{probe['kind']} probe of {name}" if name else f"{probe['kind']} probe"
        say(f"{who} {probe_sentence(one)}")
    for missing in probe["not_annotated"]:
        say(f"how good the probe is cannot be said of {missing}")


def capital(text: str) -> str:
    """Return a sentence with a capital letter."""
    return text[:1].upper() + text[1:]


def print_probe(split: str, probe: dict[str, Any]) -> None:
    """Print the probe's answers on one split."""
    for name, facts in probe.get("refinement", {}).items():
        kept = "left open" if facts["used"] == "nothing" else "zero-shot answers stay"
        stays = f"{kept}: {facts.get('reason')}"
        say(f"{name}: {probe['kind']} probe, " + (refined_text(facts) if "rows" in facts else stays))
    if "accuracy" not in probe:
        print_pseudo_sizes(split, probe["pseudo_group_sizes"])
    else:
        print_probe_report(split, probe)
    for name, report in probe.get("by_attribute", {}).items():
        print_probe_report(f"{split}, {name}", report)
    for missing in probe["not_annotated"]:
        say(f"nothing to compare with: no annotation of {missing}")
    print_guard(probe)


def print_guard(probe: dict[str, Any]) -> None:
    """Print the guard's verdict on each attribute, if it was asked."""
    for name, verdict in probe.get("guard", {}).get("attributes", {}).items():
        why = f": {'; '.join(verdict['reasons'])}. What to do: {verdict['advice']}" if verdict["reasons"] else ""
        say(f"{name} is {verdict['verdict']} for making groups{why}")


def refined_text(facts: dict[str, Any]) -> str:
    """Describe in words how the probe's answers were refined."""
    by = {True: ", confirmed by a biased head", False: ", by the words alone", None: ""}[facts.get("confirmed")]
    return (
        f"fitted on {facts['rows']} training images; changed {percent(facts['share_changed'])} % of the zero-shot "
        f"answers, sure of {facts['confident_rows']}; "
        f"scores {facts['score_separation']:.1f} standard deviations apart{by}"
    )


def print_stored(what: str, n: int, stored: int) -> None:
    """Print how many of a suite's `n` parts come from earlier calls."""
    say(f"{n - stored} {what} computed, {stored} taken from earlier calls (--fresh computes them again).")
