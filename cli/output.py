"""What people see: tables on standard output; what programs see: one JSON object."""

from __future__ import annotations

import json
import sys
from typing import Any


def print_json(result: dict[str, Any]) -> None:
    """Print one JSON object on standard output."""
    print(json.dumps(result, indent=2, allow_nan=False))


def write_stdout(text: str) -> None:
    """Write text as it is; names of files that are no UTF-8 are kept byte by byte."""
    sys.stdout.buffer.write(text.encode(errors="surrogateescape"))
    sys.stdout.buffer.flush()


def run_notes(result: dict[str, Any]) -> list[str]:
    """Return what must be said of a run wherever its classifier is used."""
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


def print_table(columns: list[str], rows: list[list[str]], title: str = "") -> None:
    """Print a table, first column to the left, others to the right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, title=Text(title) if title else None, title_justify="left", pad_edge=False)
    for i, column in enumerate(columns):
        table.add_column(Text(column), justify="left" if i == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*[Text(cell) for cell in row])  # paths and names may look like markup
    console = Console()
    if not console.is_terminal:
        console = Console(width=120)
    console.print(table)


def data_name(result: dict[str, Any]) -> str:
    """Return the data set's name, which says so where the data is synthetic."""
    return f"{result['dataset']} (synthetic)" if result["synthetic"] else str(result["dataset"])


def print_verified(result: dict[str, Any], most: int = 50) -> None:
    """Print the result of ``data verify``."""
    for split, groups in result["splits"].items():
        published = ["published"] if "published" in groups[0] else []
        rows = [[row["group"], str(row["n"]), *[str(row[name]) for name in published]] for row in groups]
        print_table([f"{data_name(result)}, {split}: group", "images", *published], rows)
    for problem in result["problems"][:most]:
        print(f"{problem['where']}: {problem['what']}")
    left = len(result["problems"]) - most
    if left > 0:
        print(f"... and {left} more (--json lists all)")
    read = "read" if result["read_images"] else "there (--read-images reads them too)"
    state = f"all {read}" if result["ok"] else f"{len(result['problems'])} problems"
    print(f"{result['images']} images in {result['folder']}: {state}")


def print_report(result: dict[str, Any], *, by_group: bool = True) -> None:
    """Print the result of ``train`` or ``eval``."""
    oracle = ", ORACLE: fitted or selected with true attributes" if result["oracle"] else ""
    seeds = f"{len(result['seeds'])} seeds" if len(result["seeds"]) > 1 else f"seed {result['seeds'][0]}"
    print(f"{data_name(result)}, {result['split']} split: {result['method']}{oracle}, {result['model']}, {seeds}")
    ends = result["intervals"]
    names = {
        "worst_group_accuracy": "worst-group accuracy",
        "average_accuracy": "average accuracy",
        "adjusted_average_accuracy": "adjusted average (training group frequencies)",
        "group_mean_accuracy": "mean over groups",
        "gap": "gap (average - worst group)",
    }
    shown = names if by_group else {"average_accuracy": names["average_accuracy"]}
    rows = [[text, percent(result[name]), interval(ends.get(name))] for name, text in shown.items()]
    print_table(["", "accuracy, %", result["interval"]], rows)
    if by_group:
        rows = [
            [f"{g['label']}, {g['attribute']}", str(g["n"]), percent(g["accuracy"]), interval(g["ci"])]
            for g in result["groups"]
        ]
        print_table([f"{result['groups_from']} group", "n", "accuracy, %", result["interval"]], rows)
    if "accuracy" in result["probe"]:
        probe = result["probe"]
        print(
            f"{probe['kind']} probe right for {percent(probe['accuracy'])} % of the training images, "
            f"worst group: recall {percent(probe['worst_group_recall'])} %, "
            f"precision {percent(probe['worst_group_precision'])} %"
        )
    print_guard(result["probe"])
    labels = ", ".join(result["attribute_labels_used"]) or "none"
    print(f"step selection: {result['selection']}; attribute labels used: {labels}")
    print(f"run: {result['run']}")


def print_probe(split: str, probe: dict[str, Any]) -> None:
    """Print what the probe says of one split."""
    for name, facts in probe.get("refinement", {}).items():
        kept = "left open" if facts["used"] == "nothing" else "zero-shot answers stay"
        stays = f"{kept}: {facts.get('reason')}"
        print(f"{name}: {probe['kind']} probe, " + (refined_text(facts) if "rows" in facts else stays))
    if "accuracy" not in probe:
        rows = [[name, str(n)] for name, n in probe["pseudo_group_sizes"].items()]
        print_table([f"{split}: pseudo group", "n"], rows)
    else:
        print_probe_report(split, probe)
    for name, report in probe.get("by_attribute", {}).items():
        print_probe_report(f"{split}, {name}", report)
    for missing in probe["not_annotated"]:
        print(f"nothing to compare with: no annotation of {missing}")
    print_guard(probe)


def print_guard(probe: dict[str, Any]) -> None:
    """Print the guard's verdict on each attribute, if it was asked."""
    for name, verdict in probe.get("guard", {}).get("attributes", {}).items():
        why = f": {'; '.join(verdict['reasons'])}. What to do: {verdict['advice']}" if verdict["reasons"] else ""
        print(f"{name} is {verdict['verdict']} for making groups{why}")


def refined_text(facts: dict[str, Any]) -> str:
    """Return in words what refining the probe's answers came to."""
    by = {True: ", confirmed by a biased head", False: ", by the words alone", None: ""}[facts.get("confirmed")]
    return (
        f"fitted on {facts['rows']} training images; changed {percent(facts['share_changed'])} % of the zero-shot "
        f"answers, sure of {facts['confident_rows']}; "
        f"scores {facts['score_separation']:.1f} standard deviations apart{by}"
    )


def print_probe_report(title: str, probe: dict[str, Any]) -> None:
    """Print a probe's answers against true attributes."""
    rows = [
        [
            f"{g['label']}, {g['attribute']}", str(g["n_true"]), str(g["n_pseudo"]),
            percent(g["accuracy"]), percent(g["precision"]),
        ]
        for g in probe["groups"]
    ]  # fmt: skip
    print_table([f"{title}: group", "true n", "pseudo n", "recall, %", "precision, %"], rows)
    values = ", ".join(f"{value} {percent(share)} %" for value, share in probe["per_value"].items())
    print(f"right for {percent(probe['accuracy'])} % of the images; by true value: {values}")


def print_stored(what: str, n: int, stored: int) -> None:
    """Print how many of a suite's `n` parts were taken from earlier calls."""
    print(f"{n - stored} {what} computed, {stored} taken from earlier calls (--fresh computes them anew).")
