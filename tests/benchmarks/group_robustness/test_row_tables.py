"""Promises: the figures of the methods' tables, by small cases."""

from __future__ import annotations

from typing import Any

from debias_pt.benchmarks.group_robustness import row_tables
from debias_pt.groups.metrics import SCALARS


def figures(worst: float, **changed: Any) -> dict[str, Any]:
    """Two seeds, five points above and below; intervals of ± 20 points, ± 10 for groups."""
    names = dict(zip(SCALARS, (worst, 0.8, 0.7, 0.75, 0.8 - worst), strict=True))
    each = [
        {"label": "bird", "attribute": "land", "n": 90, "accuracy": 0.9, "ci": [0.8, 1.0], "image_ci": [0.82, 0.95]},
        {"label": "bird", "attribute": "water", "n": 10, "accuracy": worst, "ci": [0.4, 0.6], "image_ci": [0.24, 0.76]},
    ]
    runs = [
        {"seed": seed, **{name: value + sign * 0.05 for name, value in names.items()}, "groups": [0.9, worst]}
        for seed, sign in ((3, 1), (4, -1))
    ]
    return {
        **names, "groups": each, "per_seed": runs, "groups_from": "true",
        "intervals": {name: [value - 0.2, value + 0.2] for name, value in names.items()},
        "image_intervals": {"worst_group_accuracy": [0.24, 0.76], "average_accuracy": [0.71, 0.86]},
        **changed,
    }  # fmt: skip


def result() -> dict[str, Any]:
    versus = {"worst_group_accuracy": {"mean": 0.125, "ci": [-0.02, 0.27]}}
    versus |= {"average_accuracy": {"mean": -0.03, "ci": [-0.05, -0.01]}}
    row = {
        "row": "dpt", "name": "DPT", "labels_used": ["class labels"], "oracle": False, **figures(0.5),
        "true_selection": figures(0.6), "selected_steps": [5, 6], "minority": {"recall": 0.25, "precision": 0.125},
        "seconds": {"fit": 3.0, "per_run": 1.5}, "versus": versus,
    }  # fmt: skip
    base = {
        **row, "row": "class-balanced", "name": "class-balanced", **figures(0.375), "true_selection": None,
        "minority": None, "versus": None, "selected_steps": [],
    }  # fmt: skip
    probe = {
        "accuracy": 0.9, "majority_accuracy": 0.95, "balanced_accuracy": 0.7,
        "worst_group": {"label": "bird", "attribute": "water", "accuracy": 0.5, "precision": 0.25},
    }  # fmt: skip
    return {
        "rows": [row, base], "settings": {"seeds": 2}, "selection": "last", "synthetic": False, "probe": probe,
        "distance_to_oracle": {"dpt": 0.0625}, "left_out": [], "added": [], "published": [],
    }  # fmt: skip


def test_the_main_table() -> None:
    header, lines = row_tables.main_table(result())
    assert header == [
        *("method", "labels", "worst group", "average", "adjusted average", "group mean", "gap"),
        *(row_tables.ORACLE, "seconds per run"),
    ]
    assert lines[0] == [
        *("DPT", "y", "50.0 ± 20.0", "80.0 ± 20.0", "70.0 ± 20.0", "75.0 ± 20.0", "30.0 ± 20.0"),
        *("60.0 ± 20.0", "1.5"),
    ]
    assert lines[1][2] == "37.5 ± 20.0"
    assert lines[1][7] == "-"


def test_the_table_of_groups() -> None:
    header, lines = row_tables.group_table(result(), short=True)
    assert header == ["method", "bird, land", "bird, water", "minority recall", "minority precision"]
    assert lines == [
        ["dpt", "90.0 ± 10.0", "50.0 ± 10.0", "25.0", "12.5"],
        ["class-balanced", "90.0 ± 10.0", "37.5 ± 10.0", "-", "-"],
    ]


def test_the_table_of_intervals() -> None:
    header, lines = row_tables.interval_table(result())
    assert header[-2:] == ["bird, land (90)", "bird, water (10)"]
    assert lines[0] == [
        *("DPT", "24.0 to 76.0", "71.0 to 86.0", "+12.5 (-2.0 to +27.0)", "-3.0 (-5.0 to -1.0)"),
        *("82.0 to 95.0", "24.0 to 76.0"),
    ]
    assert lines[1][3:5] == ["-", "-"]


def test_the_csv_file() -> None:
    header, lines = row_tables.csv_table(result())
    read = [dict(zip(header, line, strict=True)) for line in lines]
    keys = ("row", "selection", "seed", "oracle", "worst_group_accuracy", "gap", "accuracy of bird, water")
    assert [tuple(one[key] for key in keys) for one in read] == [
        ("dpt", "last", "3", "False", "0.550000", "0.350000", "0.500000"),
        ("dpt", "last", "4", "False", "0.450000", "0.250000", "0.500000"),
        ("dpt", "true-wga", "3", "True", "0.650000", "0.250000", "0.600000"),
        ("dpt", "true-wga", "4", "True", "0.550000", "0.150000", "0.600000"),
        ("class-balanced", "none", "3", "False", "0.425000", "0.475000", "0.375000"),
        ("class-balanced", "none", "4", "False", "0.325000", "0.375000", "0.375000"),
    ]
    assert {one["seconds per run"] for one in read} == {"1.500"}


def test_the_markdown() -> None:
    text = row_tables.markdown(result())
    assert "| DPT | y | 50.0 ± 20.0 | 80.0 ± 20.0 |" in text
    assert "mean ± half a 95 % interval over 2 seeds" in text
    assert "in points: dpt +6.2" in text
    assert "worst group (bird, water): recall 50.0 %, precision 25.0 %" in text


def test_one_seed_has_no_interval_over_seeds() -> None:
    alone = figures(0.5)
    assert row_tables.cell({**alone, "per_seed": alone["per_seed"][:1]}, "average_accuracy") == "80.0"
    assert row_tables.cell(alone, "average_accuracy") == "80.0 ± 20.0"
