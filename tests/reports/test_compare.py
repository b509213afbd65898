"""Promises: ``compare`` gives paired differences, the second run less the first, by the one implementation there is; it
pairs by seed, and refuses what cannot be paired."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from debias_pt import open_run
from debias_pt.cli.main import main
from debias_pt.errors import DebiasWarning, FingerprintError, RunError, UsageError
from debias_pt.features.table import FeatureTable
from debias_pt.groups.paired import average_difference, worst_group_difference
from debias_pt.reports.compare import compare_runs
from debias_pt.reports.differences import difference, paired_rows, require_same_images
from debias_pt.workflows.run_folder import RunFolder
from tests.helpers.report_case import evidence_of

pytestmark = pytest.mark.filterwarnings("ignore:groups of the", "ignore:not every attribute")  # tiny data

Train = Callable[..., Path]


@pytest.fixture(scope="module")
def runs(train_tiny: Train, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("compare")
    one, two = ({"method": "dpt", "seeds": 2}, {"method": "erm", "seeds": 2, "lr": 0.05})
    return train_tiny(folder / "dpt", steps=8, **one), train_tiny(folder / "erm", steps=8, **two)


def test_differences_are_those_of_the_answers(runs: tuple[Path, Path], table: FeatureTable) -> None:
    found = compare_runs(*map(str, runs))
    test = table.where("test")
    index = 2 * test.y + test.attributes["background"].labels
    a, b = (open_run(run).tuner.predict(test) == test.y for run in runs)
    expected = {
        "worst_group_accuracy": worst_group_difference(b, a, index), "average_accuracy": average_difference(b, a)
    }  # fmt: skip
    for field, one in expected.items():
        assert (found[field]["difference"], tuple(found[field]["ci"])) == (one.mean, one.interval)
        results = [RunFolder(run).result[field] for run in runs]
        assert found[field]["accuracy"] == pytest.approx(results)
        assert found[field]["difference"] == pytest.approx(results[1] - results[0])
    for g, group in enumerate(found["groups"]):
        own = index == g
        assert group["n"] == own.sum()
        assert group["accuracy"] == pytest.approx([a[:, own].mean(), b[:, own].mean()])
        assert group["difference"] == pytest.approx(b[:, own].mean() - a[:, own].mean())
        assert group["ci"][0] <= group["difference"] <= group["ci"][1]
    assert found["seeds"] == [0, 1]
    assert sum(found["images"].values()) == len(test)
    assert found["interval"] == "95 %, paired over images and seeds"


def test_a_run_beside_itself_is_equal(runs: tuple[Path, Path]) -> None:
    found = compare_runs(str(runs[0]), str(runs[0]))
    assert {group["difference"] for group in found["groups"]} == {0.0}
    assert found["images"]["only_first"] == found["images"]["only_other"] == 0


def test_seeds_are_paired(tmp_path: Path) -> None:
    three, one = (evidence_of(tmp_path / str(n), ["cat", "dog"], ["in", "out"], seeds=n) for n in (3, 1))
    one = replace(one, result={**one.result, "seeds": [2]})
    a, b, seeds = paired_rows(three, one)
    assert seeds == [2]
    assert three.answers is not None
    assert np.array_equal(a[0], three.answers.predictions[2] == three.answers.groups.y)
    assert b.shape == a.shape
    found = difference(three, one)
    assert found is not None
    assert found["average_accuracy"]["accuracy"][0] == pytest.approx(a.mean())
    with pytest.raises(UsageError, match="differences are paired by seed"):
        paired_rows(three, replace(one, result={**one.result, "seeds": [7]}))


def test_other_images_groups_or_splits_are_refused(tmp_path: Path, runs: tuple[Path, Path]) -> None:
    cats = evidence_of(tmp_path / "a", ["cat", "dog"], ["in", "out"])
    with pytest.raises(FingerprintError, match="its groups is"):
        require_same_images(cats, evidence_of(tmp_path / "b", ["cat", "cow"], ["in", "out"]))
    with pytest.raises(FingerprintError, match="its reported by is"):
        require_same_images(cats, evidence_of(tmp_path / "c", ["cat", "dog"], ["in", "out"], attribute="place"))
    with pytest.raises(FingerprintError, match="its data rows is"):
        require_same_images(cats, evidence_of(tmp_path / "d", ["cat", "dog"], ["in", "out"], per_group=7))
    assert cats.answers is not None
    turned = replace(cats.answers.groups, values=cats.answers.groups.posterior[:, ::-1])
    other = replace(cats, answers=replace(cats.answers, groups=turned))
    with pytest.raises(UsageError, match="put images into different groups"):
        difference(cats, other)


def test_data_that_is_gone_is_an_error(runs: tuple[Path, Path], tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(runs[0], copy)
    config = RunFolder(copy).config
    (copy / "config.json").write_text(json.dumps({**config, "data_root": str(tmp_path / "nowhere")}))
    with (
        pytest.warns(DebiasWarning, match="figures as they were"),
        pytest.raises(RunError, match="its data or model is not there any more"),
    ):
        compare_runs(str(runs[0]), str(copy))


def test_the_command_line(runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    for flags in ([], ["--json"]):
        with pytest.raises(SystemExit) as stop:
            main(["compare", *map(str, runs), *flags])
        assert stop.value.code == 0
        text = capsys.readouterr().out
        if flags:
            assert json.loads(text)["runs"][1]["method"] == "erm"
        else:
            for word in ("difference, points", "worst group", "waterbird, land (few!)", "only erm has right", "dpt: "):
                assert word in text
