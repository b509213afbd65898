"""Promises: what people read in a terminal are the figures, rounded, in their places; by small cases."""

from __future__ import annotations

import re
from typing import Any

import pytest

from debias_pt.cli import discover, evaluate, format, output, predict, tables
from debias_pt.groups.metrics import SCALARS
from debias_pt.groups.report_view import group_chart
from debias_pt.utils.words import percent
from tests.helpers.printed_report import result


def lines(text: str) -> list[list[str]]:
    """Split every line into cells: two spaces or more lie between them."""
    return [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]


@pytest.mark.parametrize(("value", "text"), [(0.6715, "67.2"), (1.0, "100.0"), (0.0004, "0.0"), (None, "-")])
def test_per_cent_has_one_decimal(value: float | None, text: str) -> None:
    assert percent(value) == text


def test_intervals_and_differences() -> None:
    assert format.interval([0.5, 0.6251]) == "50.0 to 62.5"
    assert format.interval(None) == ""
    assert format.points(-0.0251, [-0.1, 0.05]) == ("-2.5", "-10.0 to +5.0")


def test_the_probes_report(capsys: pytest.CaptureFixture[str]) -> None:
    groups = [
        {"label": "cat", "attribute": "in", "n_true": 8, "n_pseudo": 10, "recall": 0.875, "precision": 0.7},
        {"label": "cat", "attribute": "out", "n_true": 4, "n_pseudo": 0, "recall": 0.25, "precision": None},
    ]
    probe = {"accuracy": 0.9, "majority_accuracy": 0.95, "balanced_accuracy": 0.7, "groups": groups}
    tables.print_probe_report("train", {**probe, "per_value": {"in": 0.8, "out": 0.6}})
    text = capsys.readouterr().out
    assert ["train: group", "true n", "pseudo n", "recall, %", "precision, %"] in lines(text)
    assert ["cat, in", "8", "10", "87.5", "70.0"] in lines(text)
    assert ["cat, out", "4", "0", "25.0", "-"] in lines(text)
    assert (
        "right for 90.0 % of the images (naming each class's majority: 95.0 %); mean over groups 70.0 %; "
        "by true value: in 80.0 %, out 60.0 %"
    ) in text


def report() -> dict[str, Any]:
    """Two seeds with a baseline, all figures different."""
    values = dict(zip(SCALARS, (0.5, 0.81, 0.72, 0.63, 0.31), strict=True))
    others = dict(zip(SCALARS, (0.4, 0.91, 0.92, 0.53, 0.51), strict=True))
    intervals = {name: [value - 0.1, value + 0.1] for name, value in values.items()}
    groups = [
        {"label": "cat", "attribute": "in", "n": 60, "accuracy": 0.75, "ci": [0.7, 0.8], "image_ci": [0.63, 0.84]},
        {"label": "dog", "attribute": "out", "n": 50, "accuracy": 0.5, "ci": [0.4, 0.6], "image_ci": [0.37, 0.63]},
    ]
    before = [{**groups[0], "accuracy": 0.95}, {**groups[1], "accuracy": 0.15}]
    return result(
        **values, seeds=[0, 1], intervals=intervals, groups=groups, groups_from="true", oracle=True,
        interval="95 % Student, over seeds", image_interval="95 % Wilson, over images",
        image_intervals={"worst_group_accuracy": [0.37, 0.63], "average_accuracy": [0.71, 0.88]},
        baselines={"erm": {**others, "groups": before}}, small_groups=[], selected_steps=[7, 9], steps=12,
        worst_group={"label": "dog", "attribute": "out", "n": 50}, attribute_labels_used=["training groups"],
    )  # fmt: skip


def test_the_report_of_eval(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_report(report())
    text = capsys.readouterr().out
    found = lines(text)
    assert text.startswith("photos, test split: dpt, ORACLE: fitted or selected with true attributes, tiny, 2 seeds\n")
    assert ["worst-group accuracy", "40.0", "50.0", "40.0 to 60.0", "37.0 to 63.0"] in found
    assert ["average accuracy", "91.0", "81.0", "71.0 to 91.0", "71.0 to 88.0"] in found
    assert ["adjusted average", "92.0", "72.0", "62.0 to 82.0"] in found
    assert ["mean over groups", "53.0", "63.0", "53.0 to 73.0"] in found
    assert ["gap (average - worst group)", "51.0", "31.0", "21.0 to 41.0"] in found
    assert ["cat, in", "60", "95.0", "75.0", "70.0 to 80.0", "63.0 to 84.0"] in found
    assert ["dog, out", "50", "15.0", "50.0", "40.0 to 60.0", "37.0 to 63.0"] in found
    assert "worst group: dog, out (50 images)" in text
    assert "kept step 7, 9 of 12; attribute labels used: training groups" in text


def test_the_chart_of_groups_on_the_report_page() -> None:
    """Worst first, each with its own interval and what it was before."""
    one = report()
    chart = group_chart(one, "dpt", one["baselines"]["erm"]["groups"], "erm")
    assert [bar.name for bar in chart.bars] == ["dog, out", "cat, in"]
    assert [(bar.value, bar.before, bar.accent) for bar in chart.bars] == [(0.5, 0.15, True), (0.75, 0.95, False)]
    assert [list(bar.ends or ()) for bar in chart.bars] == [[0.37, 0.63], [0.63, 0.84]]
    cells = [[str(getattr(cell, "text", cell)) for cell in row] for row in chart.table.rows]
    assert cells[0][:4] == ["dog, out", "50", "15.0", "50.0"]
    assert cells[1][:4] == ["cat, in", "60", "95.0", "75.0"]


def test_two_runs_compared(capsys: pytest.CaptureFixture[str]) -> None:
    figure = {"accuracy": [0.5, 0.625], "difference": 0.125, "ci": [-0.02, 0.27]}
    group = {
        "label": "cat",
        "attribute": "in",
        "n": 80,
        "accuracy": [0.9, 0.8],
        "difference": -0.1,
        "ci": [-0.2, -0.01],
    }
    runs = [{"name": name, "run": f"runs/{name}", "oracle": name == "b", "seeds": [0, 1]} for name in "ab"]
    average = {"accuracy": [0.7, 0.71], "difference": 0.01, "ci": [0.0, 0.02]}
    images = {"only_other": 9, "only_first": 4, "both_right": 60, "both_wrong": 7}
    evaluate._print(
        {
            "runs": runs, "worst_group_accuracy": figure, "average_accuracy": average, "groups": [group],
            "groups_from": "true", "interval": "95 % interval", "dataset": "photos", "synthetic": True,
            "split": "test", "seeds": [0], "images": images,
        }
    )  # fmt: skip
    text = capsys.readouterr().out
    found = lines(text)
    assert ["annotated group", "n", "a, %", "b (oracle), %", "difference, points", "95 % interval"] in found
    assert ["worst group", "50.0", "62.5", "+12.5", "-2.0 to +27.0"] in found
    assert ["average", "70.0", "71.0", "+1.0", "+0.0 to +2.0"] in found
    assert ["cat, in", "80", "90.0", "80.0", "-10.0", "-20.0 to -1.0"] in found
    assert "photos (synthetic), test split" in text
    assert "compared: seed 0, which both have" in text
    assert "9 images only b has right, 4 only a; 60 both, 7 none" in text


def test_what_was_discovered(capsys: pytest.CaptureFixture[str]) -> None:
    one = {
        "name": "place", "classes": {"lake": ["duck"], "wood": ["owl", "jay"], "sky": []}, "score": 0.876,
        "explained": 0.4251, "explained_interval": [0.3, 0.55], "found_again": 0.98,
    }  # fmt: skip
    assert discover._row(one) == ["place", "lake: duck; wood: owl, jay", "0.88", "42.5 (30.0 to 55.0)", "98.0"]
    capsys.readouterr()


def test_predictions(capsys: pytest.CaptureFixture[str]) -> None:
    image = {"id": "a.jpg", "predicted": "dog", "probability": 0.625}
    image |= {"attributes": {"place": {"value": "in", "confidence": 0.875}}}  # type: ignore[dict-item]
    predict._print({"images": [image], "attributes": ["place"]})
    found = lines(capsys.readouterr().out)
    assert ["image", "predicted", "probability, %", "place (probe)"] in found
    assert ["a.jpg", "dog", "62.5", "in (87.5 %)"] in found


def test_what_was_stored(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_stored("rows", 10, 4)
    assert capsys.readouterr().out == "6 rows computed, 4 taken from earlier calls (--fresh computes them again).\n"
