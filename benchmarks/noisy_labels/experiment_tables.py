"""An experiment as tables: for terminals, Markdown and CSV. Accuracies in per cent."""

from __future__ import annotations

from typing import Any

from ..shared.tables import Table, markdown_table

VERDICTS = "Verdict: what the 95 % interval (Student, paired over seeds) of the difference says"
SHOWN_STEPS = 6


def main_table(one: dict[str, Any]) -> Table:
    """Return an experiment's series against its x axis, means ± half a 95 % interval."""
    if one["measure"] == "noisy share":
        return trace_table(one)
    xs = list(dict.fromkeys(point["x"] for point in one["points"]))
    places = {(point["series"], point["x"]): point for point in one["points"]}
    names = list(dict.fromkeys(point["series"] for point in one["points"]))
    lines = [[name, *(cell(places.get((name, x))) for x in xs)] for name in names]
    if sum(map(len, xs)) > 60 and len(names) < len(xs):  # long words as columns make a table unreadable
        return [one["x"], *names], [[x, *(line[1 + i] for line in lines)] for i, x in enumerate(xs)]
    return [f"{one['measure']}, % by {one['x']}", *xs], lines


def trace_table(one: dict[str, Any]) -> Table:
    """Return the noisy samples' share of the gradient at some steps, and its mean over all steps looked at."""
    steps = [row["step"] for row in one["points"][0]["trace"]]
    shown = [steps[round(i * (len(steps) - 1) / (SHOWN_STEPS - 1))] for i in range(SHOWN_STEPS)]
    lines = []
    for point in one["points"]:
        means = {row["step"]: sum(row["class_weights"]) / len(row["class_weights"]) for row in point["trace"]}
        lines.append([point["series"], *(f"{100 * means[step]:.1f}" for step in shown), cell(point)])
    return ["noisy share of the gradient, %, at step", *map(str, shown), "mean"], lines


def findings_table(findings: list[dict[str, Any]]) -> Table:
    """Return one line per claim: the paired difference in points, its interval, the verdict."""
    lines = []
    for found in findings:
        ends = found["interval"]
        interval = "-" if ends is None else f"{100 * ends[0]:+.1f} to {100 * ends[1]:+.1f}"
        lines.append([found["claim"], found["verdict"], f"{100 * found['difference']:+.1f}", interval])
    return ["claim", "verdict", "difference, points", "95 % interval"], lines


def ensemble_line(one: dict[str, Any]) -> str:
    """Say what averaging the seeds' logits gives, where there are several."""
    parts = [
        f"{point['series']}, {point['x']}: {100 * point['ensemble']:.1f}"
        for point in one["points"]
        if point.get("ensemble") is not None and len(point["per_seed"]) > 1 and point["cell"]["head"] == "prompt"
    ]
    return f"Ensembles (logits averaged over seeds), %: {'; '.join(parts)}." if parts else ""


def reasons(findings: list[dict[str, Any]]) -> str:
    """Return likely reasons for findings that do not hold, as a list in Markdown."""
    lines = [
        f"- {one['verdict'].capitalize()}: {one['claim']}. {one['likely_reason']}"
        for one in findings
        if one["likely_reason"]
    ]
    return "\n".join(lines)


def realised_line(one: dict[str, Any]) -> str:
    """Say how many labels were wrong, as realised: by kind and rate, mean over seeds."""
    found: dict[str, str] = {}
    for point in one["points"]:
        cell, facts = point.get("cell"), point.get("samples")
        if not facts:
            continue
        asked = cell["kind"] if cell["kind"].startswith("pseudo") else f"{cell['kind']} {100 * cell['rate']:g} %"
        found[asked] = f"{_mean_percent(facts, 'realised')} %"
        if cell["filtered"]:
            kept = sum(fact["samples"] for fact in facts) / len(facts)
            left = f"{_mean_percent(facts, 'realised_after_filter')} % of the {kept:.0f} images kept"
            found[f"{asked}, after cleanlab's filter"] = left
    parts = [f"{asked}: {share}" for asked, share in found.items() if asked != "symmetric 0 %"]
    return f"Wrong labels as realised: {'; '.join(parts)}." if parts else ""


def _mean_percent(facts: list[dict[str, Any]], name: str) -> str:
    return f"{100 * sum(fact[name] for fact in facts) / len(facts):.1f}"


def published_table(result: dict[str, Any]) -> Table:
    """Return the published figures, by noise rate."""
    rates = list(dict.fromkeys(rate for one in result["published"] for rate in one["accuracy"]))
    rates.sort(key=float)
    header = ["published method", "noise", "source", *(f"{rate} %" for rate in rates), "what differs from ours"]
    lines = []
    for one in result["published"]:
        figures = [f"{one['accuracy'][rate]:.1f}" if rate in one["accuracy"] else "-" for rate in rates]
        lines.append([one["method"], one["noise"], one["source"], *figures, one["differs"]])
    return header, lines


def csv_table(result: dict[str, Any]) -> Table:
    """Return one line per experiment, point and seed."""
    header = ["experiment", "series", "x", "measure", "seed", "value", "noise realised", "samples", "ensemble"]
    lines = []
    for one in result["experiments"]:
        for point in one["points"]:
            facts = point.get("samples") or [{}] * len(point["per_seed"])
            for seed, value, fact in zip(result["seeds"], point["per_seed"], facts, strict=True):
                start = [one["experiment"], point["series"], point["x"], one["measure"], str(seed), f"{value:.6f}"]
                more = [str(fact.get(name, "")) for name in ("realised", "samples")]
                lines.append([*start, *more, str(point.get("ensemble", ""))])
    return header, lines


def markdown(result: dict[str, Any], one: dict[str, Any] | None = None) -> str:
    """Return all experiments as Markdown, or a single one."""
    if one is not None:
        parts = [one["about"], markdown_table(*main_table(one), left=1)]
        parts += [ensemble_line(one)] if one["experiment"] == "unsupervised" else []
        parts += [realised_line(one)]
        parts += [markdown_table(*findings_table(one["findings"])), reasons(one["findings"])] if one["findings"] else []
        return "\n\n".join(part for part in parts if part)
    parts = ["Synthetic data."] if result["synthetic"] else []
    parts += [setting_line(result)]
    for each in result["experiments"]:
        parts += [f"### {each['title']} (`{each['experiment']}`)", markdown(result, each)]
    if result["published"]:
        parts += ["Published, not measured here:", markdown_table(*published_table(result), left=3)]
    return "\n\n".join([*parts, *left_out_lines(result)])


def setting_line(result: dict[str, Any]) -> str:
    """Say what the figures are."""
    seeds = len(result["seeds"])
    over = f"mean ± half a 95 % interval over {seeds} seeds" if seeds > 1 else "one seed"
    if all("confusion" in one for one in result["experiments"]):  # no few shots among them
        return f"{result['split'].capitalize()} split, {result['model']}; {over}. {VERDICTS}."
    fit, settings = result["fit"], result["settings"]
    batch = "full-batch steps" if fit["batch_size"] is None else f"steps in batches of {fit['batch_size']}"
    quick = "; --quick: fewer steps, rates and experiments" if result["quick"] else ""
    return (
        f"{settings['shots']} shots of {result['classes']} classes, {result['split']} split, {result['model']}; "
        f"{fit['steps']} {batch} of {fit['optimizer']} at {fit['lr']:g}, last step kept; {over}{quick}. {VERDICTS}."
    )


def left_out_lines(result: dict[str, Any]) -> list[str]:
    """Name what was left out, with the reason."""
    return [f"Left out: {name} ({reason})." for name, reason in result["left_out"].items()]


def cell(point: dict[str, Any] | None) -> str:
    """Return a point's mean and half its interval; "-" where there is none."""
    if point is None:
        return "-"
    if point["interval"] is None:
        return f"{100 * point['mean']:.1f}"
    low, high = point["interval"]
    return f"{100 * point['mean']:.1f} ± {50 * (high - low):.1f}"
