"""Output: tables for people, one JSON object for programs."""

from __future__ import annotations

import json
import re
import sys
from typing import Any, TextIO

# Control characters, and those that turn the direction of what follows.
UNSHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def shown(text: str) -> str:
    r"""Return a text with control characters written out: a name must not give orders to the terminal.

    Examples
    --------
    >>> print(shown("red \x1b[31m"))
    red \x1b[31m
    """
    return UNSHOWN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def say(text: str = "", file: TextIO | None = None) -> None:
    """Print a line for people; see :func:`shown`."""
    print(shown(text), file=file)


def print_json(result: dict[str, Any]) -> None:
    """Print one JSON object on standard output."""
    print(json.dumps(result, indent=2, allow_nan=False))


def write_stdout(text: str) -> None:
    """Write text as it is; file names that are not valid UTF-8 are kept byte for byte."""
    sys.stdout.buffer.write(text.encode(errors="surrogateescape"))
    sys.stdout.buffer.flush()


def run_notes(result: dict[str, Any]) -> list[str]:
    """Return what must be said about a run wherever its classifier is used."""
    notes = []
    if result["synthetic"]:
        notes.append("the run was trained on synthetic images: expect little of it on photographs")
    if result["oracle"]:
        notes.append(f"ORACLE: the run used annotated attributes ({', '.join(result['attribute_labels_used'])})")
    return notes


def percent(value: float | None) -> str:
    """Return a fraction as a percentage.

    >>> percent(0.6715)
    '67.2'
    """
    return "-" if value is None else f"{100 * value:.1f}"


def interval(ends: list[float] | None) -> str:
    """Return an interval as percentages."""
    return "" if ends is None else f"{100 * ends[0]:.1f} to {100 * ends[1]:.1f}"


def points(difference: float, ends: list[float]) -> tuple[str, str]:
    """Return a difference in points, and its interval.

    >>> points(0.125, [0.05, 0.2])
    ('+12.5', '+5.0 to +20.0')
    """
    return f"{100 * difference:+.1f}", f"{100 * ends[0]:+.1f} to {100 * ends[1]:+.1f}"


WIDTH = 120  # where there is no terminal


def print_table(columns: list[str], rows: list[list[str]], title: str = "") -> None:
    """Print a table, first column to the left, others to the right; a wide one in several parts.

    Each part has the first column again, so that no cell is broken in the middle of a word.
    """
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    columns, rows = [_cell(name) for name in columns], [[_cell(cell) for cell in row] for row in rows]
    for number, chosen in enumerate(column_parts(columns, rows, console.width)):
        part = [[row[i] for i in chosen] for row in rows]
        console.print(_table([columns[i] for i in chosen], part, "" if number else title, console.width))


def _cell(text: str) -> str:
    return shown(text.replace("\n", "\\n").replace("\t", "\\t"))


def _table(columns: list[str], rows: list[list[str]], title: str, width: int) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=box.SIMPLE_HEAD, title=Text(shown(title)) if title else None, title_justify="left", pad_edge=False
    )
    for i, wide in enumerate(column_widths(columns, rows, width)):
        table.add_column(Text(columns[i]), justify="left" if i == 0 else "right", overflow="fold", width=wide)
    for row in rows:
        table.add_row(*[Text(cell) for cell in row])  # paths and names may look like markup
    return table


def least_widths(columns: list[str], rows: list[list[str]]) -> list[int]:
    """Return how wide every column has to be: for its longest cell, and for each word of its heading."""
    return [
        max([len(word) for word in name.split()] + [len(row[i]) for row in rows] + [1])
        for i, name in enumerate(columns)
    ]


def column_widths(columns: list[str], rows: list[list[str]], width: int) -> list[int]:
    """Return the columns' widths: what they need, and from the left what their headings have use for.

    Rich would take the space for a long heading from its neighbours, and leave a column out in the end.

    Examples
    --------
    >>> column_widths(["method", "mean accuracy", "worst group"], [["erm", "50.0", "60.0"]], 34)
    [6, 13, 7]
    """
    widths = [min(least, width // 2) for least in least_widths(columns, rows)]  # a path may be longer than a line
    for i, name in enumerate(columns):
        spare = max(width - _total(widths, list(range(len(columns)))), 0)
        widths[i] += min(spare, max(len(name) - widths[i], 0))
    return widths


def column_parts(columns: list[str], rows: list[list[str]], width: int) -> list[list[int]]:
    """Return which columns stand in each part of a table that fits into a width; the first one is in all of them.

    A heading may be folded between words, a cell that holds a figure not.

    Examples
    --------
    >>> column_parts(["method", "cats", "dogs"], [["erm", "50.0", "60.0"]], 16)
    [[0, 1], [0, 2]]
    """
    least = least_widths(columns, rows)
    parts: list[list[int]] = [[0]]
    for i in range(1, len(columns)):
        if _total(least, [*parts[-1], i]) > width and len(parts[-1]) > 1:
            parts.append([0])
        parts[-1].append(i)
    size = -(-(len(columns) - 1) // len(parts)) or 1  # parts of one size are easier to compare
    even = [[0, *range(i, min(i + size, len(columns)))] for i in range(1, len(columns), size)]
    return even if even and all(_total(least, part) <= width for part in even) else parts


def _total(least: list[int], part: list[int]) -> int:
    """Return the width of a table: its columns, three between them, one at each edge."""
    return sum(least[i] + 3 for i in part) - 1


def data_name(result: dict[str, Any]) -> str:
    """Return the data set's name, marked if the data is synthetic."""
    return f"{result['dataset']} (synthetic)" if result["synthetic"] else str(result["dataset"])


KINDS = {"true": "annotated", "pseudo": "pseudo", "class": ""}  # of groups


def print_report(result: dict[str, Any]) -> None:
    """Print the result of ``train`` or ``eval``."""
    from debias_pt.groups.metrics import SCALARS

    from .groups.tables import print_groups

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
        say(f"--attribute auto: nothing to use was found, no attribute is used: {found['reason']}")
        return
    share = f"{percent(found['explained'])} % ({interval(found['explained_interval'])})"
    say(
        f"attribute FOUND, named by nobody: {found['attribute']}; it explains {share} of the errors of a cross-fitted "
        f"head, and is {found['guard']['verdict']} (debias-pt discover shows its images)"
    )


def print_effect(result: dict[str, Any]) -> None:
    """Print which group is worst, and how much the attribute mattered."""
    from .groups.tables import worst_group_text

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
    from .groups.tables import print_probe_report, print_pseudo_sizes

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
