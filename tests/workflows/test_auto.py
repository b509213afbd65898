"""Promises: auto trains what the guard's verdict supports, and says so; the verdict stands in output, JSON and run;
without validation rows everything that needs none works, and what needs some says so."""

from __future__ import annotations

import dataclasses
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

from debias_pt.cli.output import print_probe, print_report
from debias_pt.errors import DebiasWarning, RunError, UsageError
from debias_pt.features.table import FeatureTable
from debias_pt.groups import Groups
from debias_pt.groups.verdict import NOT_USABLE, ORDER, USABLE, Verdict
from debias_pt.methods import complete
from debias_pt.models.backbone import Backbone
from debias_pt.settings import DataSettings, TrainSettings, resolve
from debias_pt.training.tuner import Tuner
from debias_pt.workflows import prepared
from debias_pt.workflows import train as training
from debias_pt.workflows.evaluate import evaluate
from debias_pt.workflows.probe import probe
from debias_pt.workflows.run_folder import RunFolder
from debias_pt.workflows.train import train

pytestmark = pytest.mark.filterwarnings("ignore::debias_pt.errors.DebiasWarning")


@pytest.fixture
def asked(waterbirds_root: Path, tiny_checkpoint: Path, cache_dir: Path, tmp_path: Path) -> TrainSettings:
    return TrainSettings(
        method="auto",
        data_root=str(waterbirds_root),
        check_counts=False,
        pretrained=f"local-dir:{tiny_checkpoint}",
        workers=0,
        cache_dir=str(cache_dir),
        steps=6,
        out=str(tmp_path / "run"),
        attribute=("background=land|forest:water|lake",),
    )


@pytest.mark.parametrize("images", ORDER)
@pytest.mark.parametrize("verdict", ORDER)
def test_auto_trains_what_the_verdicts_support(
    asked: TrainSettings, verdict: str, images: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = prepared.guard

    def judged(*arguments: object) -> object:
        found = real(*arguments)  # type: ignore[arg-type]
        why = () if verdict == "usable" else ("because",)
        return {name: dataclasses.replace(one, verdict=verdict, reasons=why) for name, one in found.items()}

    monkeypatch.setattr(prepared, "guard", judged)
    of_images = Verdict(images, () if images == "usable" else ("hard",), "look", {})
    monkeypatch.setattr("debias_pt.groups.inferred_groups.judge_inferred", lambda *rows: of_images)
    result = train(asked)
    without_words = "inferred" if images == USABLE else "class-balanced"
    assert result["method"] == (without_words if verdict == NOT_USABLE else "anchored")
    inferred = images == USABLE and result["method"] != "class-balanced"
    assert ("inferred" in result, "inferred" in result["parts"]["groups"]) == (inferred, inferred)
    assert (result["parts"]["head"], result["parts"]["fit_on"]) == ("standardized", "train+val")
    assert result["inferred_verdict"]["verdict"] == images
    assert f"the guard calls background {verdict}" in result["parts"]["auto"]
    assert f"values inferred from the images are {images}" in result["parts"]["auto"]
    assert result["probe"]["guard"]["verdict"] == verdict
    run = RunFolder.open(Path(result["run"]))
    assert run.config["method"] == result["method"]
    assert run.facts["parts"] == result["parts"]
    assert run.facts["probe"]["guard"] == result["probe"]["guard"]
    assert evaluate(result["run"])["groups"] == result["groups"]
    print_report(result)
    printed = capsys.readouterr().out
    assert f"background is {verdict} for making groups" in printed
    assert f"auto chose {result['method']}: the guard calls background {verdict}" in printed
    assert ("because. What to do: " in printed) == (verdict != "usable")


def test_auto_without_evidence_is_class_balance_with_the_same_head(
    asked: TrainSettings, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    shutil.copytree(Path(asked.data_root) / "waterbirds_v1.0", folder / "all")
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg"))
    rows = "\n".join(f"{name},{('cat', 'dog')[i % 2]}" for i, name in enumerate(names))
    (folder / "table.csv").write_text(f"path,label\n{rows}\n")
    plain = dataclasses.replace(asked, dataset=str(folder / "table.csv"), attribute=(), label_column="label")
    result = train(plain)
    assert (result["method"], result["attribute_labels_used"]) == ("class-balanced", [])
    assert "guard" not in result["probe"]
    assert "inferred" not in result
    print_report(result)
    why = result["parts"]["auto"]
    assert why.startswith("no attribute is named; values inferred from the images are ")
    assert f"auto chose class-balanced: {why}" in capsys.readouterr().out
    same = {"method": "class-balanced", "head": "standardized", "fit_on": "train+val"}
    again = train(dataclasses.replace(plain, out=str(tmp_path / "again"), **same))
    assert again["groups"] == result["groups"]


def test_inferred_groups_are_judged_where_they_are_used(
    asked: TrainSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    result = train(dataclasses.replace(asked, method="inferred", attribute=()))
    verdict = result["inferred"]["verdict"]
    assert verdict["verdict"] in ORDER
    assert {*verdict["numbers"]} == {"association", "shift", "gain", "cost"}
    print_report(result)
    printed = capsys.readouterr().out
    assert f"look like another class to a biased head; {verdict['verdict']}" in printed
    assert verdict["advice"] in printed


def test_auto_refuses_a_folder_that_holds_a_run_before_it_looks_at_the_data(
    asked: TrainSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(str(asked.out))
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    monkeypatch.setattr(training, "prepare", None)
    with pytest.raises(RunError, match="already holds a run"):
        train(asked)


def test_the_methods_on_anchored_groups_split_them_by_what_is_inferred(asked: TrainSettings) -> None:
    for method, infers in (("anchored", True), ("inferred", True), ("dpt", False), ("erm", False)):
        assert complete(TrainSettings(method=method)).infer_groups == infers
    assert not complete(TrainSettings(method="anchored", infer_groups=False)).infer_groups


def test_anchored_is_made_of_its_probe_head_and_rows(asked: TrainSettings) -> None:
    assert training.train is train
    assert complete(dataclasses.replace(asked, method="dpt")).head == "prompt"
    made = complete(TrainSettings(method="anchored"))
    assert (made.head, made.fit_on, made.soft, made.select) == ("standardized", "train+val", True, "last")
    assert complete(TrainSettings(method="anchored", head="prompt")).head == "prompt"
    assert complete(resolve(TrainSettings, {"method": "anchored"}, {"method": "dpt"})).head == "prompt"


def test_the_probe_command_tells_the_verdict(asked: TrainSettings, capsys: pytest.CaptureFixture[str]) -> None:
    names = [field.name for field in dataclasses.fields(DataSettings)]
    result = probe(DataSettings(**{name: getattr(asked, name) for name in names}))["probe"]
    assert "guard" not in result["val"]
    assert result["train"]["guard"]["attributes"]["background"]["verdict"] in ORDER
    print_probe("train", result["train"])
    assert "background is " in capsys.readouterr().out


def test_validation_rows_are_fitted_where_that_is_asked_for(backbone: Backbone, table: FeatureTable) -> None:
    groups = Groups.true(table.y, table.class_names, tuple(table.attributes.values()))
    tuner = Tuner(backbone, method="balanced", head="standardized", fit_on="train+val", steps=2)
    run_group = tuner.run_group(table, groups)
    assert len(run_group.train) == (table.split != "test").sum()
    assert len(Tuner(backbone, steps=2).run_group(table, groups).train) == (table.split == "train").sum()


def test_without_validation_rows(backbone: Backbone, table: FeatureTable) -> None:
    left = table.rows(np.flatnonzero(table.split != "val"))
    groups = Groups.true(left.y, left.class_names, tuple(left.attributes.values()))
    for method in ("dpt", "erm", "anchored"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DebiasWarning)
            tuner = Tuner(backbone, method=method, steps=3, select="last").fit(left, groups)
        assert tuner.selected_steps_[0] <= 3
    with pytest.raises(UsageError, match="no 'val' rows"):
        Tuner(backbone, steps=3, select="pseudo-confidence").fit(left, groups)
