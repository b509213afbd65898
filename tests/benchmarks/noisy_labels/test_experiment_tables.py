"""Promises: the figures of the noisy-label tables, by small cases."""

from __future__ import annotations

from typing import Any

from debias_pt.benchmarks.noisy_labels import experiment_tables


def point(series: str, x: str, mean: float, **changed: Any) -> dict[str, Any]:
    facts = [{"realised": 0.5, "samples": 8}, {"realised": 0.25, "samples": 8}]
    cell = {"head": "prompt", "kind": "symmetric", "rate": 0.375, "filtered": False}
    return {
        "series": series, "x": x, "mean": mean, "interval": [mean - 0.05, mean + 0.05],
        "per_seed": [mean - 0.01, mean + 0.01], "ensemble": mean + 0.02, "samples": facts, "cell": cell, **changed,
    }  # fmt: skip


def experiment() -> dict[str, Any]:
    points = [point("CE", "0", 0.75), point("CE", "50", 0.5), point("GCE", "50", 0.625)]
    finding = {"claim": "GCE above CE", "verdict": "open", "difference": 0.125, "interval": [-0.0251, 0.275]}
    finding |= {"likely_reason": ""}
    return {
        "experiment": "curves", "title": "Curves", "about": "About.", "measure": "accuracy", "x": "noise, %",
        "points": points, "findings": [finding],
    }  # fmt: skip


def test_the_table_of_an_experiment() -> None:
    assert experiment_tables.main_table(experiment()) == (
        ["accuracy, % by noise, %", "0", "50"],
        [["CE", "75.0 ± 5.0", "50.0 ± 5.0"], ["GCE", "-", "62.5 ± 5.0"]],
    )
    assert experiment_tables.cell({"mean": 0.1234, "interval": None}) == "12.3"


def test_the_table_of_findings() -> None:
    header, lines = experiment_tables.findings_table(experiment()["findings"])
    assert header == ["claim", "verdict", "difference, points", "95 % interval"]
    assert lines == [["GCE above CE", "open", "+12.5", "-2.5 to +27.5"]]
    assert experiment_tables.findings_table([{**experiment()["findings"][0], "interval": None}])[1][0][3] == "-"


def test_the_table_of_traces() -> None:
    """Eleven steps, of which every second is shown; two seeds whose shares are 10 points apart."""
    trace = [{"step": s, "class_weights": [s / 20, s / 20 + 0.1]} for s in range(11)]
    one = {**experiment(), "measure": "noisy share", "points": [point("CE", "50", 0.3, trace=trace)]}
    header, lines = experiment_tables.main_table(one)
    assert header[1:] == ["0", "2", "4", "6", "8", "10", "mean"]
    assert lines == [["CE", "5.0", "15.0", "25.0", "35.0", "45.0", "55.0", "30.0 ± 5.0"]]


def test_the_lines_beneath() -> None:
    one = experiment()
    assert experiment_tables.realised_line(one) == "Wrong labels as realised: symmetric 37.5 %: 37.5 %."
    assert experiment_tables.ensemble_line(one).startswith(
        "Ensembles (logits averaged over seeds), %: CE, 0: 77.0; CE, 50: 52.0"
    )
    kept = [{"realised": 0.5, "samples": 8, "realised_after_filter": 0.125}] * 2
    filtered = {"head": "prompt", "kind": "symmetric", "rate": 0.5, "filtered": True}
    one["points"] = [point("F", "50", 0.5, samples=kept, cell=filtered)]
    line = experiment_tables.realised_line(one)
    assert "symmetric 50 %: 50.0 %; symmetric 50 %, after cleanlab's filter: 12.5 % of the 8 images kept." in line


def test_the_csv_file() -> None:
    header, lines = experiment_tables.csv_table({"seeds": [3, 4], "experiments": [experiment()]})
    assert len(lines) == 6
    read = [dict(zip(header, line, strict=True)) for line in lines]
    assert [(one["series"], one["x"], one["seed"], one["value"], one["noise realised"]) for one in read[:3]] == [
        ("CE", "0", "3", "0.740000", "0.5"),
        ("CE", "0", "4", "0.760000", "0.25"),
        ("CE", "50", "3", "0.490000", "0.5"),
    ]
    assert read[0]["ensemble"] == "0.77"


def test_the_published_table() -> None:
    one = {
        "method": "CoOp",
        "noise": "symmetric",
        "source": "PTNL",
        "accuracy": {"50": 30.04, "0": 60.0},
        "differs": "",
    }
    other = {**one, "accuracy": {"12.5": 55.55}}
    header, lines = experiment_tables.published_table({"published": [one, other]})
    assert header[3:6] == ["0 %", "12.5 %", "50 %"]
    assert [line[3:6] for line in lines] == [["60.0", "-", "30.0"], ["-", "55.5", "-"]]
