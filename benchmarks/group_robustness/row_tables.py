"""The suite's result as tables: for terminals, Markdown and CSV."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from debias_pt.groups.metrics import SCALARS
from debias_pt.groups.probe_report import probe_sentence
from debias_pt.groups.worst_groups import left_out_text, worst_places
from debias_pt.utils.words import percent, percent_range

from ..shared.tables import Table, markdown_table
from .rows import BASELINE

FIELDS = {
    "worst_group_accuracy": "worst group",
    "average_accuracy": "average",
    "adjusted_average_accuracy": "adjusted average",
    "group_mean_accuracy": "group mean",
    "gap": "gap",
}
SHORT_FIELDS = ("worst_group_accuracy", "average_accuracy", "gap")
ORACLE = "worst group, steps by true groups (oracle)"
SHORT_ORACLE = "steps by true groups"
SHORT = {"class labels": "y", "training attributes": "a (train)", "validation attributes": "a (val)"}
PAIRED = ("worst_group_accuracy", "average_accuracy")
INTERVALS_NOTE = (
    "95 % intervals over images, and differences over the same images and seeds, in per cent and points; images of a "
    "group in brackets:"
)
LABELS_NOTE = "Labels: y the classes; a the attribute, which makes a row an oracle. Accuracies in per cent"


def main_table(result: dict[str, Any], *, short: bool = False) -> Table:
    """Return one line per row: what it saw, its accuracies, the oracle's choice of steps, its cost.

    With `short`, rows go by the names that are typed.
    """
    fields = [text.replace("worst group", worst_name(result["rows"])) for text in FIELDS.values()]
    header = ["method", "labels", *fields, SHORT_ORACLE if short else ORACLE, "seconds per run"]
    lines = []
    for row in result["rows"]:
        oracle = cell(row["true_selection"], "worst_group_accuracy") if row["true_selection"] else "-"
        cost = f"{row['seconds']['per_run']:.1f}"
        lines.append([row_name(row, short), labels(row), *[cell(row, field) for field in FIELDS], oracle, cost])
    return header, lines


def group_table(result: dict[str, Any], *, short: bool = False) -> Table:
    """Return the accuracy of every group, of many the worst, and how well a method finds minorities."""
    places = worst_places(mean_accuracies(result))
    names = [f"{g['label']}, {g['attribute']}" for g in _some(result["rows"][0], places)]
    lines = []
    for row in result["rows"]:
        each = [_mean(g["accuracy"], g["ci"], row) for g in _some(row, places)]
        found = row["minority"] or {}
        lines.append([row_name(row, short), *each, *[percent(found.get(name)) for name in ("recall", "precision")]])
    first = "method (by pseudo group)" if worst_name(result["rows"]) != WORST else "method"
    return [first, *names, "minority recall", "minority precision"], lines


WORST = "worst group"


def worst_name(rows: Sequence[dict[str, Any]]) -> str:
    """Return what the worst group is called: a pseudo group where nothing is annotated."""
    return "worst pseudo group" if rows[0].get("groups_from") == "pseudo" else WORST


def interval_table(result: dict[str, Any], *, short: bool = False) -> Table:
    """Return intervals over images of worst group, average and every group, and paired differences to class balance.

    Of many groups, the worst are shown.
    """
    places = worst_places(mean_accuracies(result))
    groups = _some(result["rows"][0], places)
    header = ["method", "worst group", "average", f"worst group - {BASELINE}", f"average - {BASELINE}"]
    header += [f"{g['label']}, {g['attribute']} ({g['n']})" for g in groups]
    lines = []
    for row in result["rows"]:
        ends = [row["image_intervals"][name] for name in PAIRED]
        gains = [difference(row["versus"], name) for name in PAIRED]
        each = [percent_range(g["image_ci"]) for g in _some(row, places)]
        lines.append([row_name(row, short), *map(percent_range, ends), *gains, *each])
    return header, lines


def mean_accuracies(result: dict[str, Any]) -> list[float | None]:
    """Return the mean accuracy of each group over all rows; None for groups without an image."""
    each = zip(*([g["accuracy"] for g in row["groups"]] for row in result["rows"]), strict=True)
    return [None if None in of_rows else sum(of_rows) / len(of_rows) for of_rows in each]


def groups_line(result: dict[str, Any]) -> str:
    """Say which groups are shown, where there are too many for a table."""
    return left_out_text(mean_accuracies(result), what="worst (mean over rows)", where="--csv and --json have")


def _some(row: dict[str, Any], places: Sequence[int]) -> list[dict[str, Any]]:
    return [row["groups"][place] for place in places]


def difference(versus: dict[str, Any] | None, field: str) -> str:
    """Return a paired difference in points with its interval."""
    if versus is None:
        return "-"
    mean, (low, high) = versus[field]["mean"], versus[field]["ci"]
    return f"{100 * mean:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


def published_table(result: dict[str, Any]) -> Table:
    """Return the published figures."""
    fields = ("method", "backbone", "labels", "worst_group", "average", "source", "differs")
    header = ["published method", "backbone", "labels", "worst group", "average", "source", "what differs from ours"]
    return header, [[one[field] or "-" for field in fields] for one in result["published"]]


def ablation_table(result: dict[str, Any], *, short: bool = False) -> Table:
    """Return one line per point of an ablation, with `short` of its main figures."""
    worst = worst_name(result["points"])
    fields = {name: text.replace(WORST, worst) for name, text in FIELDS.items() if not short or name in SHORT_FIELDS}
    header = [result["varied"], "errors", "labels", "attributes right", *fields.values()]
    header.append(SHORT_ORACLE if short else ORACLE)
    lines = []
    for point in result["points"]:
        oracle = cell(point["true_selection"], "worst_group_accuracy") if point["true_selection"] else "-"
        start = [point["value"], point["series"], labels(point), percent(point["attribute_accuracy"])]
        lines.append([*start, *[cell(point, field) for field in fields], oracle])
    if len({point["series"] for point in result["points"]}) == 1:
        header, lines = _without(header, 1), [_without(line, 1) for line in lines]
    return header, lines


def ablation_markdown(result: dict[str, Any]) -> str:
    """Return an ablation's table as Markdown."""
    parts = ["Synthetic data."] if result["synthetic"] else []
    parts += [markdown_table(*ablation_table(result)), f"{LABELS_NOTE}; {seeds_note(result)}."]
    return "\n\n".join(parts)


def csv_table(result: dict[str, Any]) -> Table:
    """Return one line per row or point, selection and seed, with this run's accuracy on every group."""
    rows = result["points"] if "points" in result else result["rows"]
    groups = [f"{g['label']}, {g['attribute']}" for g in rows[0]["groups"]]
    header = ["row", "name", "labels used", "oracle", "selection", "seed", *SCALARS]
    header += [f"accuracy of {name}" for name in groups] + ["seconds per run"]
    lines = []
    for row in rows:
        own = result["selection"] if row["selected_steps"] else "none"
        for selection, part in ((own, row), ("true-wga", row["true_selection"])):
            for run in part["per_seed"] if part else ():
                oracle = row["oracle"] or selection == "true-wga"
                each = [_raw(accuracy) for accuracy in run["groups"]]
                name = f"{row['name']}, {row['series']}" if "series" in row else row["name"]
                start = [row["row"], name, "; ".join(row["labels_used"]), str(oracle), selection]
                figures = [_raw(run[field]) for field in SCALARS]
                lines.append([*start, str(run["seed"]), *figures, *each, f"{row['seconds']['per_run']:.3f}"])
    return header, lines


def markdown(result: dict[str, Any]) -> str:
    """Return all tables as Markdown."""
    parts = ["Synthetic data."] if result["synthetic"] else []
    parts += [markdown_table(*main_table(result)), f"{LABELS_NOTE}; {seeds_note(result)}. {probe_line(result)}"]
    parts += [distance_line(result), left_out_line(result) if result["left_out"] else "", *unused_lines(result)]
    parts += [markdown_table(*group_table(result), left=1), groups_line(result), INTERVALS_NOTE]
    parts += [markdown_table(*interval_table(result), left=1)]
    if result["published"]:
        parts += ["Published, not measured here:", markdown_table(*published_table(result), left=3)]
    return "\n\n".join(part for part in parts if part)


def seeds_note(result: dict[str, Any]) -> str:
    """Say what the figures and intervals are."""
    seeds = result["settings"]["seeds"]
    return f"mean ± half a 95 % interval over {seeds} seeds" if seeds > 1 else "one seed"


def probe_line(result: dict[str, Any]) -> str:
    """Say how good the probe is, where that is known."""
    probe = result["probe"]
    if "accuracy" not in probe:
        return "Groups are PSEUDO groups, of the probe's own answers; how good it is is not known: no annotation"
    return f"The probe is {probe_sentence(probe)}"


def distance_line(result: dict[str, Any]) -> str:
    """Return what true groups would add to the worst group, in points; empty if there is no such oracle."""
    parts = [f"{name} {100 * gain:+.1f}" for name, gain in result["distance_to_oracle"].items()]
    return f"What true groups (oracle) would add to the worst group, in points: {', '.join(parts)}" if parts else ""


def left_out_line(result: dict[str, Any]) -> str:
    """Name the rows that need missing annotations."""
    return f"Left out, since the attribute is not annotated: {', '.join(result['left_out'])}"


def unused_lines(result: dict[str, Any]) -> list[str]:
    """Name the rows that do not use a common option, a line for each option."""
    options = result.get("unused_options", {})  # older results do not say
    why = "where it changes nothing or contradicts the method"
    return [f"--{name.replace('_', '-')}: not used for {', '.join(rows)}, {why}" for name, rows in options.items()]


def cell(part: dict[str, Any], field: str) -> str:
    """Return a mean over seeds and half its interval."""
    return _mean(part[field], part["intervals"].get(field), part)


def _mean(value: float | None, ends: Sequence[float] | None, part: dict[str, Any]) -> str:
    if value is None or ends is None or len(part["per_seed"]) < 2:
        return percent(value)
    return f"{100 * value:.1f} ± {50 * (ends[1] - ends[0]):.1f}"


def _without(line: list[str], place: int) -> list[str]:
    return line[:place] + line[place + 1 :]


def _raw(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"


def row_name(row: dict[str, Any], short: bool) -> str:
    """Return a row's title, or with `short` the name that is typed."""
    if not short:
        return str(row["name"])
    return f"{row['row']} (oracle)" if row["oracle"] else str(row["row"])


def labels(row: dict[str, Any]) -> str:
    """Return in letters what a row saw."""
    return ", ".join(SHORT[label] for label in row["labels_used"]) or "none"
