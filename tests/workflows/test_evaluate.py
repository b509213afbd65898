"""Promises: ``eval --csv`` holds all that the report is made of, image by image."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from debias_pt.cli.main import main
from debias_pt.errors import OutputError
from debias_pt.features.table import FeatureTable
from debias_pt.models.backbone import Backbone
from debias_pt.workflows.evaluate import evaluate, load_tuner, run_settings
from debias_pt.workflows.run_folder import RunFolder

pytestmark = pytest.mark.filterwarnings("ignore:groups of the", "ignore:not every attribute asked for")  # tiny data


def read(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def by_group(rows: list[dict[str, str]], *columns: str) -> dict[tuple[str, ...], float]:
    right: dict[tuple[str, ...], list[int]] = {}
    for row in rows:
        right.setdefault(tuple(row[column] for column in columns), []).append(int(row["correct"]))
    return {group: sum(ones) / len(ones) for group, ones in right.items()}


def reported(result: dict[str, Any]) -> dict[tuple[str, str], float]:
    return {(g["label"], g["attribute"]): g["accuracy"] for g in result["groups"] if g["n"]}


def test_the_report_of_one_seed_is_recomputed_from_the_csv_alone(
    train_tiny: Callable[..., Path], table: FeatureTable, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, file = train_tiny(tmp_path / "run"), tmp_path / "new" / "test.csv"
    with pytest.raises(SystemExit) as stop:
        main(["eval", str(run), "--csv", str(file)])
    assert stop.value.code == 0
    assert capsys.readouterr().out.endswith(f"written: {file}\n")
    result, rows = RunFolder(run).result, read(file)
    names = ["id", "split", "label", "predicted", "correct", "probability", "groups_from"]
    assert list(rows[0]) == [*names, "background", "background_probe"]
    assert {row["split"] for row in rows} == {"test"}
    assert {row["groups_from"] for row in rows} == {"true"}
    known = {name: i for i, name in enumerate(table.ids)}
    assert sorted(row["id"] for row in rows) == sorted(table.where("test").ids)
    for row in rows:
        i, place = known[row["id"]], table.attributes["background"]
        assert (row["label"], row["background"]) == (table.class_names[table.y[i]], place.values[place.labels[i]])
        assert int(row["correct"]) == (row["label"] == row["predicted"])
    accuracy = by_group(rows, "label", "background")
    assert accuracy == pytest.approx(reported(result))
    assert min(accuracy.values()) == pytest.approx(result["worst_group_accuracy"])
    assert np.mean([int(row["correct"]) for row in rows]) == pytest.approx(result["average_accuracy"])


def test_several_seeds_give_their_mean_probability(
    tiny_run: Path, table: FeatureTable, backbone: Backbone, tmp_path: Path
) -> None:
    result = evaluate(str(tiny_run), split="val", csv_path=str(tmp_path / "val.csv"))
    assert result["csv"] == str(tmp_path / "val.csv")
    run = RunFolder(tiny_run)
    tuner = load_tuner(run.read_prompt(), run_settings(run, {}), backbone)
    val = table.where("val")
    expected = dict(zip(val.ids, tuner.predict_proba(val.features).mean(axis=0), strict=True))
    for row in read(tmp_path / "val.csv"):
        p = expected.pop(row["id"])
        assert row["predicted"] == table.class_names[int(p.argmax())]
        assert float(row["probability"]) == pytest.approx(p.max(), abs=1e-6)
    assert not expected


def test_what_is_not_annotated_is_the_probes_and_the_report_is_by_the_benchmark(
    train_tiny: Callable[..., Path], tmp_path: Path
) -> None:
    words = ["background=water|lake:land|forest", "size=small:middling:large"]
    run = train_tiny(tmp_path / "run", attribute=words)
    result = evaluate(str(run), csv_path=str(tmp_path / "test.csv"))
    rows = read(tmp_path / "test.csv")
    assert list(rows[0])[6:] == ["groups_from", "background", "background_probe", "size_probe"]
    assert by_group(rows, "label", "background") == pytest.approx(reported(result))
    assert {row["size_probe"] for row in rows} <= {"small", "middling", "large"}
    place = result["probe"]["by_attribute"]["background"]
    assert {row["background_probe"] for row in rows} <= set(place["per_value"])


def test_groups_of_the_probe_do_not_look_annotated(
    train_tiny: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = train_tiny(tmp_path / "run", attribute=["pose=flying:sitting", "size=small:large"])
    monkeypatch.setattr(FeatureTable, "attributes", {}, raising=False)
    monkeypatch.setattr("debias_pt.workflows.prepare.Prepared.benchmark", {})
    result = evaluate(str(run), csv_path=str(tmp_path / "test.csv"))
    rows = read(tmp_path / "test.csv")
    assert {row["groups_from"] for row in rows} == {"pseudo"}
    assert list(rows[0])[6:] == ["groups_from", "pose_probe", "size_probe"]
    joined = [{**row, "both": f"{row['pose_probe']}+{row['size_probe']}"} for row in rows]
    assert by_group(joined, "label", "both") == pytest.approx(reported(result))


def test_a_place_that_cannot_be_written_is_refused_before_any_work(tiny_run: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is a folder; give --csv a file name"):
        evaluate(str(tiny_run / "nowhere"), csv_path=str(tmp_path))
    (tmp_path / "file").write_text(json.dumps({}))
    with pytest.raises(OutputError, match="cannot create this folder"):
        evaluate(str(tiny_run / "nowhere"), csv_path=str(tmp_path / "file" / "x.csv"))
