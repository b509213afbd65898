"""Tables with a line for every group; of many groups, for the worst. ``--json`` has all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from debias_pt.utils.words import percent

from .format import data_name, interval, print_table, say

KINDS = {"true": "annotated", "pseudo": "pseudo", "class": ""}  # of groups

Group = dict[str, Any]


def print_by_group(
    columns: list[str],
    groups: Sequence[Group],
    row: Callable[[int, Group], list[str]],
    by: Callable[[Group], float | None],
    *,
    what: str = "worst",
    title: str = "",
) -> None:
    """Print a line for every group, or of many groups for those with the lowest values, and how many are left out.

    Parameters
    ----------
    columns : list of str
        Headings.
    groups : sequence of dict
    row : callable
        Gives a group's cells from its place and itself.
    by : callable
        Gives a group's value; None where there is none.
    what : str
        What the groups with the lowest values are called.
    title : str
        Above the table.
    """
    from debias_pt.groups.worst_groups import left_out_text, worst_places

    values = [by(group) for group in groups]
    print_table(columns, [row(i, groups[i]) for i in worst_places(values)], title)
    left = left_out_text(values, what=what)
    if left:
        say(left)


def print_groups(result: dict[str, Any], others: dict[str, Any]) -> None:
    """Print accuracies by group, those of baselines beside them."""
    columns = [[percent(group["accuracy"]) for group in one["groups"]] for one in (*others.values(), result)]
    more = [result["image_interval"]] if len(result["seeds"]) > 1 and "image_interval" in result else []

    def row(i: int, g: Group) -> list[str]:
        over_images = [interval(g["image_ci"]) for _ in more]
        return [group_text(g), str(g["n"]), *[column[i] for column in columns], interval(g["ci"]), *over_images]

    header = f"{KINDS[result['groups_from']]} group".strip()
    names = [f"{name}, %" for name in (*others, result["method"])]
    columns_of = [header, "n", *names, result["interval"], *more]
    print_by_group(columns_of, result["groups"], row, lambda g: g["accuracy"])


def group_text(group: Group) -> str:
    """Name a group; a small one is marked."""
    from debias_pt.groups.groups import SMALL_GROUP, group_name

    few = "" if group["n"] >= SMALL_GROUP else " (few!)" if group["n"] else " (none!)"
    return f"{group_name(group['label'], group['attribute'])}{few}"


def worst_group_text(result: dict[str, Any]) -> str:
    """Name the worst group and how many images its accuracy rests on."""
    from debias_pt.groups.groups import group_name
    from debias_pt.utils.words import counted

    worst = result["worst_group"]
    few = ": too few for a figure to rely on" if worst in result["small_groups"] else ""
    name = group_name(worst["label"], worst["attribute"])
    kind = "pseudo group" if result["groups_from"] == "pseudo" else "group"
    return f"worst {kind}: {name} ({counted(worst['n'], 'image')}{few})"


def print_pseudo_sizes(title: str, sizes: dict[str, int]) -> None:
    """Print the sizes of pseudo groups."""
    groups = [{"name": name, "n": n} for name, n in sizes.items()]
    columns = [f"{title}: pseudo group", "n"]
    print_by_group(columns, groups, lambda i, g: [g["name"], str(g["n"])], lambda g: g["n"] or None, what="smallest")


def print_probe_report(title: str, probe: dict[str, Any]) -> None:
    """Print a probe's answers against true attributes."""
    from debias_pt.utils.words import first_of

    def row(i: int, g: Group) -> list[str]:
        counts = [str(g["n_true"]), str(g["n_pseudo"])]
        return [f"{g['label']}, {g['attribute']}", *counts, percent(g["recall"]), percent(g["precision"])]

    columns = [f"{title}: group", "true n", "pseudo n", "recall, %", "precision, %"]
    print_by_group(columns, probe["groups"], row, lambda g: g["recall"], what="least recognised")
    values = first_of([f"{value} {percent(share)} %" for value, share in probe["per_value"].items()])
    say(
        f"right for {percent(probe['accuracy'])} % of the images (naming each class's majority: "
        f"{percent(probe['majority_accuracy'])} %); mean over groups {percent(probe['balanced_accuracy'])} %; "
        f"by true value: {values}"
    )


def print_verified(result: dict[str, Any], most: int = 50) -> None:
    """Print the result of ``data verify``."""
    from debias_pt.utils.words import counted

    for split, groups in result["splits"].items():
        published = ["published"] if "published" in groups[0] else []
        columns = [f"{data_name(result)}, {split}: group", "images", *published]
        cells = ["n", *published]
        print_by_group(
            columns,
            groups,
            lambda i, g, cells=cells: [g["group"], *[str(g[name]) for name in cells]],  # type: ignore[misc]
            lambda g: g["n"] or None,
            what="smallest",
        )
    for problem in result["problems"][:most]:
        say(f"{problem['where']}: {problem['what']}")
    left = len(result["problems"]) - most
    if left > 0:
        say(f"... and {left} more (--json lists all)")
    read = "read" if result["read_images"] else "present (--read-images decodes them too)"
    state = f"all {read}" if result["ok"] else f"{counted(len(result['problems']), 'problem')}"
    say(f"{counted(result['images'], 'image')} in {result['folder']}: {state}")
