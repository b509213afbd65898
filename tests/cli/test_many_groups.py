"""Promises: a table for people shows the worst of many groups and says how many it leaves out; --json and --csv keep
all; small groups are one warning line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debias_pt.benchmarks.group_robustness import row_tables
from debias_pt.cli import evaluate, format, output
from debias_pt.cli.tables import print_probe_report, print_pseudo_sizes, print_verified
from debias_pt.groups.worst_groups import MOST, WORST, left_out_text, worst_places
from tests.helpers.printed_report import result

N = 200


def groups(n: int = N) -> list[dict[str, Any]]:
    """Return groups whose last is the worst; the first is empty."""
    own = [
        {"label": f"class {i}", "attribute": "in", "n": 20 + n - i, "accuracy": 1 - i / (2 * n), "ci": [0.1, 0.9]}
        for i in range(n)
    ]
    own[0] |= {"n": 0, "accuracy": None, "ci": None}
    return [{**one, "image_ci": one["ci"]} for one in own]


def printed(text: str) -> list[str]:
    """Return the names of the classes that a text has, in its order."""
    return [line.split(",")[0].strip() for line in text.splitlines() if line.strip().startswith("class ")]


WORST_FIRST = [f"class {i}" for i in range(N - 1, N - 1 - WORST, -1)]


@given(st.lists(st.none() | st.floats(0, 1), min_size=MOST + 1, max_size=3 * MOST))
def test_the_lowest_are_shown(values: list[float | None]) -> None:
    places = worst_places(values)
    known = sorted(value for value in values if value is not None)
    assert [values[place] for place in places] == known[:WORST]
    assert len(set(places)) == len(places)
    assert f"The {len(places)} worst of {len(values)} groups, and {len(values) - len(places)} more" in left_out_text(
        values
    )


def test_up_to_forty_are_all_shown_in_their_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert worst_places([0.5] * MOST) == list(range(MOST))
    assert left_out_text([0.5] * MOST) == ""
    output.print_report(result(groups=groups(MOST)))
    text = capsys.readouterr().out
    assert printed(text) == [f"class {i}" for i in range(MOST)]
    assert "more" not in text


def test_train_shows_the_worst_and_counts_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_report(result(groups=groups()))
    text = capsys.readouterr().out
    assert printed(text) == WORST_FIRST
    assert "The 10 worst of 200 groups, and 190 more (1 without an image): --json has all." in text
    assert len(text.splitlines()) < 60
    format.print_json(result(groups=groups()))
    assert json.loads(capsys.readouterr().out)["groups"] == groups()


def test_probe_and_verify_show_the_smallest(capsys: pytest.CaptureFixture[str]) -> None:
    print_pseudo_sizes("test", {f"{g['label']}, in": g["n"] for g in groups()})
    text = capsys.readouterr().out
    assert printed(text) == WORST_FIRST
    assert "The 10 smallest of 200 groups, and 190 more (1 without an image): --json has all." in text
    verified = [{"group": f"{g['label']}, in", "n": g["n"], "published": g["n"]} for g in groups()]
    print_verified(
        {
            "dataset": "x", "synthetic": False, "splits": {"train": verified}, "problems": [], "images": 9,
            "folder": "photos", "read_images": False, "ok": True,
        }
    )  # fmt: skip
    assert printed(capsys.readouterr().out) == WORST_FIRST


def test_a_probe_report_shows_the_least_recognised(capsys: pytest.CaptureFixture[str]) -> None:
    own = [{**g, "n_true": g["n"], "n_pseudo": 1, "recall": g["accuracy"], "precision": None} for g in groups()]
    shares = {f"value {i}": 0.5 for i in range(100)}
    figures = dict.fromkeys(("accuracy", "majority_accuracy", "balanced_accuracy"), 0.5)
    print_probe_report("train", {"groups": own, "per_value": shares, **figures})
    text = capsys.readouterr().out
    assert printed(text) == WORST_FIRST
    assert "least recognised of 200 groups, and 190 more" in text
    assert "and 92 more" in text
    assert max(map(len, text.splitlines())) < 500


def test_compare_shows_the_most_harmed(capsys: pytest.CaptureFixture[str]) -> None:
    figure = {"accuracy": [0.5, 0.6], "difference": 0.1, "ci": [0.0, 0.2]}
    own = [{**g, **figure, "difference": (g["accuracy"] or 1) - 1} for g in groups()]
    run = {"name": "dpt", "oracle": False, "seeds": [0], "run": "runs/x"}
    images = dict.fromkeys(("only_other", "only_first", "both_right", "both_wrong"), 1)
    evaluate._print(
        {
            "dataset": "x", "synthetic": False, "split": "test", "runs": [run, run], "groups": own, "seeds": [0],
            "worst_group_accuracy": figure, "average_accuracy": figure, "groups_from": "true", "interval": "95 %",
            "images": images,
        }
    )  # fmt: skip
    text = capsys.readouterr().out
    assert printed(text) == WORST_FIRST
    assert "The 10 most harmed of 200 groups, and 190 more" in text


def bench_rows() -> list[dict[str, Any]]:
    worst = {"worst_group_accuracy": [0.1, 0.2], "average_accuracy": [0.1, 0.2]}
    row = {
        "row": "erm", "name": "erm", "oracle": False, "minority": None, "groups": groups(), "per_seed": [{}],
        "image_intervals": worst, "versus": None, "groups_from": "true",
    }  # fmt: skip
    better = [{**g, "accuracy": g["accuracy"] and min(1.0, g["accuracy"] + 0.01)} for g in groups()]
    return [row, {**row, "row": "dpt", "groups": better}]


def test_a_suite_has_columns_for_the_worst_over_its_rows() -> None:
    found = {"rows": bench_rows()}
    for make, others in ((row_tables.group_table, 3), (row_tables.interval_table, 5)):
        header, lines = make(found)
        assert {len(line) for line in lines} == {len(header)} == {WORST + others}
        assert next(name for name in header if name.startswith("class ")).startswith(WORST_FIRST[0])
    lowest = f"{100 * (groups()[-1]['accuracy']):.1f}"
    assert row_tables.group_table(found)[1][0][1] == lowest
    assert "and 190 more (1 without an image): --csv and --json have all." in row_tables.groups_line(found)
    few = {"rows": [{**row, "groups": row["groups"][:MOST]} for row in bench_rows()]}
    assert len(row_tables.group_table(few)[0]) == MOST + 3
    assert row_tables.groups_line(few) == ""
