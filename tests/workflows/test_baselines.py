"""Promises: ``train`` reports zero-shot and plain prompt tuning beside its result, which they leave as it is, bit by
bit; what it says of the attribute is recomputed from predictions; a fit that needs no attribute needs none named."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from debias_pt import open_run
from debias_pt.cli.main import main
from debias_pt.errors import DatasetError, DebiasWarning, NonFiniteError, RunError, UsageError
from debias_pt.features.table import FeatureTable
from debias_pt.groups.paired import Difference
from debias_pt.models.backbone import Backbone
from debias_pt.models.zero_shot import zero_shot_weights
from debias_pt.utils.files import read_tensors
from debias_pt.workflows import train as workflow
from debias_pt.workflows.baselines import sentence
from debias_pt.workflows.evaluate import evaluate
from debias_pt.workflows.job import Job
from debias_pt.workflows.predict import predict
from debias_pt.workflows.run_folder import RunFolder
from tests.helpers.tiny_data import FOLDER

pytestmark = pytest.mark.filterwarnings("ignore:groups of the", "ignore:not every attribute", "ignore:the pseudo group")

Train = Callable[..., Path]


@pytest.fixture(scope="module")
def compared(train_tiny: Train, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_tiny(tmp_path_factory.mktemp("compared") / "run", seeds=2, steps=8)


def test_the_baselines_are_what_other_commands_give(
    compared: Path, train_tiny: Train, table: FeatureTable, backbone: Backbone, tmp_path: Path
) -> None:
    result = RunFolder(compared).result
    assert list(result["baselines"]) == ["zero-shot", "erm"]
    erm = RunFolder(train_tiny(tmp_path / "erm", method="erm", seeds=2, steps=8)).result
    for name in ("worst_group_accuracy", "average_accuracy", "adjusted_average_accuracy", "groups", "per_seed"):
        assert result["baselines"]["erm"][name] == erm[name]
    assert list(erm["baselines"]) == ["zero-shot"]
    test = table.where("test")
    answers = (test.features @ zero_shot_weights(backbone, table.class_names).numpy().T).argmax(axis=1)
    assert result["baselines"]["zero-shot"]["average_accuracy"] == pytest.approx((answers == test.y).mean())
    assert "per_seed" not in result["baselines"]["zero-shot"]
    for one in result["baselines"].values():
        assert one["oracle"] is False


def test_they_leave_the_run_as_it_is(compared: Path, train_tiny: Train, tmp_path: Path) -> None:
    alone = train_tiny(tmp_path / "alone", baselines=False, seeds=2, steps=8)
    first, second = (read_tensors(run / "prompt.safetensors")[0] for run in (compared, alone))
    assert torch.equal(first["context"], second["context"])
    assert RunFolder(compared).history() == RunFolder(alone).history()
    result = RunFolder(alone).result
    assert "baselines" not in result
    assert not (alone / "baseline.safetensors").exists()
    assert "baselines" not in evaluate(str(alone))


def test_a_run_stopped_in_its_baseline_resumes_bit_by_bit(
    compared: Path, train_tiny: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(workflow, "fit_erm", stop)
        with pytest.raises(KeyboardInterrupt):
            train_tiny(tmp_path / "run", seeds=2, steps=8)
    assert not (tmp_path / "run" / "result.json").exists()
    resumed = train_tiny(tmp_path / "run", resume=True, seeds=2, steps=8)
    for name in ("prompt", "baseline"):
        first, second = (read_tensors(run / f"{name}.safetensors")[0] for run in (compared, resumed))
        assert torch.equal(first["context"], second["context"])
    assert RunFolder(resumed).history() == RunFolder(compared).history()
    changing = {"run", "finished", "seconds"}
    one, two = ({k: v for k, v in RunFolder(run).result.items() if k not in changing} for run in (compared, resumed))
    assert one == two


def test_a_baseline_that_diverges_is_left_out(
    train_tiny: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = workflow.fit

    def fit(job: Job, *rest: Any) -> Any:
        if job.settings.method == "erm":
            raise NonFiniteError("step 3: the loss is NaN")
        return real(job, *rest)

    monkeypatch.setattr(workflow, "fit", fit)
    result = RunFolder(train_tiny(tmp_path / "run")).result
    assert list(result["baselines"]) == ["zero-shot"]
    assert result["attribute_effect"]["worst_group_gain"] is None


def test_eval_gives_them_for_any_split(compared: Path) -> None:
    result = RunFolder(compared).result
    again = evaluate(str(compared))
    for name in ("baselines", "attribute_effect", "selected_steps", "steps", "worst_group", "small_groups"):
        assert again[name] == result[name]
    val = evaluate(str(compared), split="val")
    assert [group["n"] for group in val["baselines"]["erm"]["groups"]] == [6, 5, 4, 5]


def test_what_is_said_of_the_attribute_is_recomputed_from_predictions(compared: Path, table: FeatureTable) -> None:
    effect = RunFolder(compared).result["attribute_effect"]
    assert (effect["attribute"], effect["groups_from"]) == ("background", "true")
    assert effect["interval"] == "95 % paired, over images and seeds"
    test, place = table.where("test"), table.where("test").attributes["background"].labels
    answers = open_run(compared).tuner.predict(test)
    usual = test.y == place  # landbirds are usual on land, waterbirds on water
    right = answers == test.y
    gap = [right[:, (test.y == k) & usual].mean() - right[:, (test.y == k) & ~usual].mean() for k in (0, 1)]
    assert effect["usual_minus_other"]["dpt"]["difference"] == pytest.approx(np.mean(gap))
    result = RunFolder(compared).result
    gain = result["worst_group_accuracy"] - result["baselines"]["erm"]["worst_group_accuracy"]
    assert effect["worst_group_gain"]["difference"] == pytest.approx(gain)
    low, high = effect["worst_group_gain"]["interval"]
    assert low <= gain <= high


@pytest.mark.parametrize(
    ("gap", "gain", "expected"),
    [
        (
            Difference(0.4, (0.3, 0.5)),
            Difference(0.2, (0.1, 0.3)),
            "place mattered: training without group weights (erm) is "
            "40.0 points (95 % interval 30.0 to 50.0) better on images "
            "with their class's usual place than on the others; dpt raised the worst group by 20.0 points (95 % "
            "interval 10.0 to 30.0)",
        ),
        (
            Difference(0.1, (-0.1, 0.3)),
            Difference(-0.2, (-0.3, -0.1)),
            "no clear sign that place mattered: training without group weights (erm) is "
            "10.0 points (95 % interval -10.0 to 30.0) "
            "better on images with their class's usual place than on the others; dpt lowered the worst group by 20.0 "
            "points (95 % interval 10.0 to 30.0)",
        ),
        (
            Difference(-0.2, (-0.3, -0.1)),
            Difference(0.1, (-0.1, 0.3)),
            "place did not help: training without group weights (erm) is "
            "20.0 points (95 % interval 10.0 to 30.0) worse on images "
            "with their class's usual place than on the others; no clear change of the worst group by dpt: 10.0 points "
            "(95 % interval -10.0 to 30.0)",
        ),
    ],
)
def test_the_sentence(gap: Difference, gain: Difference, expected: str) -> None:
    assert sentence("place", {"dpt": gap, "erm": gap}, gain) == expected


def test_history_holds_validation_accuracy_by_group(compared: Path, table: FeatureTable) -> None:
    rows = RunFolder(compared).history()
    assert len(rows) == 8
    for row in rows:
        accuracy = np.array(row["val_accuracy"], dtype=float)  # two seeds, four groups
        assert accuracy.shape == (2, 4)
        assert ((accuracy >= 0) & (accuracy <= 1)).all() or np.isnan(accuracy).any()


def test_an_attribute_nobody_annotated_is_not_passed_over(train_tiny: Train, tmp_path: Path) -> None:
    run = train_tiny(tmp_path / "run", attribute=["color=red:blue"])
    result = RunFolder(run).result
    assert result["reported_by"] == ["background"]
    by_pseudo = result["by_pseudo_groups"]
    assert by_pseudo["attributes"] == ["color"]
    assert by_pseudo["groups_from"] == "pseudo"
    assert {group["attribute"] for group in by_pseudo["groups"]} <= {"red", "blue"}
    assert by_pseudo["average_accuracy"] == pytest.approx(result["average_accuracy"])
    with pytest.warns(DebiasWarning, match=r"not every attribute asked for \(color\) is annotated; the report is by"):
        evaluate(str(run))


def test_small_groups_are_warned_of(compared: Path) -> None:
    result = RunFolder(compared).result
    assert [group["n"] for group in result["small_groups"]] == [6, 6, 5, 5]
    assert result["worst_group"]["n"] in (5, 6)
    with pytest.warns(
        DebiasWarning, match=r"groups of the test split with fewer than 10 images: \(landbird, land\) 6, "
    ):
        evaluate(str(compared))


# Without an attribute


@pytest.fixture(scope="module")
def photos(waterbirds_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of class folders: nothing is annotated, nothing suspected."""
    folder = tmp_path_factory.mktemp("own") / "photos"
    for image in (waterbirds_root / FOLDER).glob("*/*.jpg"):
        kind = "landbird" if image.parent.name.startswith("000") else "waterbird"
        (folder / kind).mkdir(parents=True, exist_ok=True)
        shutil.copy(image, folder / kind / image.name)
    return folder


def train_photos(photos: Path, train_tiny: Train, out: Path, **options: Any) -> dict[str, Any]:
    return RunFolder(train_tiny(out, dataset=str(photos), check_counts=True, **options)).result


@pytest.mark.parametrize("method", ["erm", "class-balanced"])
def test_own_data_without_a_suspect(photos: Path, train_tiny: Train, tmp_path: Path, method: str) -> None:
    result = train_photos(photos, train_tiny, tmp_path / "run", method=method)
    assert (result["dataset"], result["dataset_path"]) == ("photos", str(photos))
    assert result["groups_from"] == "class"
    assert [(group["label"], group["attribute"]) for group in result["groups"]] == [
        ("landbird", None),
        ("waterbird", None),
    ]
    assert result["attribute_effect"] is None
    assert result["probe"]["kind"] is None
    assert evaluate(str(tmp_path / "run"), csv_path=str(tmp_path / "test.csv"))["groups"] == result["groups"]
    with open(tmp_path / "test.csv", newline="") as file:
        assert next(iter(csv.DictReader(file))).keys() >= {"id", "label", "predicted", "groups_from"}
    image = next(photos.glob("*/*.jpg"))
    assert predict(str(tmp_path / "run"), [str(image)])["images"][0]["attributes"] == {}


def test_what_needs_an_attribute_still_asks_for_one(photos: Path, train_tiny: Train, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no suspected attribute; name one: .* or train without: --method erm"):
        train_photos(photos, train_tiny, tmp_path / "a")
    with pytest.raises(UsageError, match="no suspected attribute"):
        train_photos(photos, train_tiny, tmp_path / "b", method="erm", select="true-wga")


def test_few_shots(photos: Path, train_tiny: Train, tmp_path: Path) -> None:
    options = {"method": "erm", "shots": 4}
    result = train_photos(photos, train_tiny, tmp_path / "run", **options)
    assert RunFolder(tmp_path / "run").facts["group_counts"]["train"] == {"landbird": 4, "waterbird": 4}
    assert RunFolder(tmp_path / "run").facts["split_rule"]["shots"] == 4
    assert evaluate(str(tmp_path / "run"))["per_seed"] == result["per_seed"]
    whole = train_photos(photos, train_tiny, tmp_path / "whole", method="erm")
    assert [g["n"] for g in whole["groups"]] == [g["n"] for g in result["groups"]]  # the test split stays


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label_column": "kind"}, "--label-column kind is for tables, and .*photos is a folder of class folders"),
        ({"image_root": "x"}, "--image-root x is for tables"),
    ],
)
def test_options_that_would_be_ignored_are_refused(
    photos: Path, train_tiny: Train, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        train_photos(photos, train_tiny, tmp_path / "run", method="erm", **options)


def test_a_share_of_a_given_split_is_refused(waterbirds_root: Path, tmp_path: Path, train_tiny: Train) -> None:
    images = sorted((waterbirds_root / FOLDER).glob("*/*.jpg"))
    rows = [
        {"path": str(image), "label": "ab"[i % 2], "split": ("train", "val", "test")[i % 3]}
        for i, image in enumerate(images)
    ]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(DatasetError, match=r"--val-share is 0\.3, but .*t\.jsonl gives the val split; leave it out"):
        train_tiny(tmp_path / "run", dataset=str(tmp_path / "t.jsonl"), method="erm", val_share=0.3)


# In one call


def test_a_finished_run_opens_in_one_call(compared: Path, waterbirds_root: Path, tmp_path: Path) -> None:
    tuner = open_run(compared).tuner
    image = next((waterbirds_root / FOLDER).glob("*/*.jpg"))
    found = predict(str(compared), [str(image)])["images"][0]
    assert tuner.predict_proba(image, ensemble=True)[0].tolist() == pytest.approx(list(found["probabilities"].values()))
    assert tuner.class_names_[tuner.predict(image, ensemble=True)[0]] == found["predicted"] == found["label"]
    with pytest.raises(RunError, match="no run here"):
        open_run(tmp_path)


def test_the_flag_leaves_the_baselines_out(
    waterbirds_root: Path, tiny_checkpoint: Path, cache_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ["--pretrained", f"local-dir:{tiny_checkpoint}", "--cache-dir", str(cache_dir), "--workers", "0"]
    words = ["train", "waterbirds", "--data-root", str(waterbirds_root), "--no-check-counts", "--steps", "2", *model]
    for number, flags in enumerate([[], ["--no-baselines"]]):
        with pytest.raises(SystemExit) as stop:
            main([*words, "--out", str(tmp_path / str(number)), *flags])
        assert stop.value.code == 0
        text = capsys.readouterr().out
        for word in ("zero-shot, %", "erm, %", "usual background than on the others"):
            assert (word in text) == (not flags)
        assert "kept step" in text
