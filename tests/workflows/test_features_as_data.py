"""Promises, through real processes: features are trained on, evaluated, reported, exported and predicted as images are,
in every layout; attributes are looked up in --words; what only a model can do is refused in one line, exit code 2."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import debias_pt
from debias_pt.datasets.custom.listing import CustomData
from debias_pt.errors import DebiasWarning
from debias_pt.features.files.read import read_features
from tests.helpers.feature_files import columns, write_words
from tests.helpers.feature_layouts import LAYOUTS, write_npz

Cli = Callable[..., Any]
FIT = ("--method", "class-balanced", "--head", "linear", "--steps", 20)
PLACE = "place=land:water"


def refused(cli: Cli, *words: object) -> str:
    done = cli(*words)
    assert done.returncode == 2, done.stderr
    lines = [line for line in done.stderr.splitlines() if not line.startswith("warning: ")]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: "), done.stderr
    return str(lines[0])


def told(cli: Cli, *words: object) -> dict[str, Any]:
    done = cli(*words, "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_command_trains_on_every_layout(layout: str, cli: Cli, tmp_path: Path) -> None:
    path = LAYOUTS[layout][0](columns(), tmp_path)
    named = () if layout.startswith("saved") else ("--attribute-column", "place")
    result = told(cli, "train", path, *FIT, *named, "--out", tmp_path / "run")
    assert result["model"] == "no model"
    assert result["groups_from"] == "true"
    assert result["average_accuracy"] > 0.55
    again = told(cli, "eval", tmp_path / "run")
    assert again["groups"] == result["groups"]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return write_npz(columns(), tmp_path), write_words(tmp_path / "words.npz")


def test_a_run_with_words_goes_all_the_way(cli: Cli, files: tuple[Path, Path], tmp_path: Path) -> None:
    birds, words = files
    run = tmp_path / "run"
    asked = ("--words", words, "--attribute", PLACE, "--attribute-column", "place")
    result = told(cli, "train", birds, "--method", "anchored", *asked, "--out", run)
    assert result["probe"]["accuracy"] > 0.95
    assert set(result["baselines"]) == {"zero-shot", "erm"}  # the class names are among the words
    assert result["probe"]["attributes"][0]["templates"] == ["{attribute}"]
    assert result["worst_group_accuracy"] > result["baselines"]["erm"]["worst_group_accuracy"]
    rows = columns()
    predicted = told(cli, "predict", run, birds)["images"]
    assert [one["id"] for one in predicted[:2]] == ["bird-0.jpg", "bird-1.jpg"]
    assert np.mean([one["attributes"]["place"]["value"] for one in predicted] == rows["place"]) > 0.95
    np.save(tmp_path / "new.npy", rows["features"][:3])  # to predict, no label is needed
    few = told(cli, "predict", run, tmp_path / "new.npy")["images"]
    assert [one["predicted"] for one in few] == [one["predicted"] for one in predicted[:3]]
    assert told(cli, "export", run)["dim"] == 16
    report = cli("report", run, "--out", tmp_path / "report.html")
    assert report.returncode == 0, report.stderr
    assert "features without images" in (tmp_path / "report.html").read_text()
    assert told(cli, "probe", birds, *asked)["probe"]["train"]["accuracy"] > 0.95
    assert "found" in told(cli, "discover", birds, "--words", words)


def test_true_groups_need_no_words(cli: Cli, files: tuple[Path, Path], tmp_path: Path) -> None:
    options = ("--method", "balanced", "--head", "linear", "--groups", "true", "--steps", 20)
    result = told(cli, "train", files[0], *options, "--attribute-column", "place", "--out", tmp_path / "run")
    assert result["oracle"]
    assert result["parts"]["groups"] == "annotation"
    assert "name the column that has them" in refused(cli, "train", files[0], *options)


def test_what_needs_a_model_is_refused_in_a_line(cli: Cli, files: tuple[Path, Path], tmp_path: Path) -> None:
    birds, words = files
    balanced = ("--method", "class-balanced")
    for arguments, message in (
        (("train", birds), "the method 'dpt' asks for an attribute in words, and"),
        (("train", birds, *balanced), "--head prompt reads words by a model"),
        (("train", birds, *FIT, "--attribute", PLACE), f"--attribute {PLACE} is in words, and nothing reads them"),
        (("train", birds, "--method", "anchored", "--words", words, "--attribute", "place=lend:water"),
         "no word 'lend' (did you mean 'land'?) among its 90"),
        (("train", birds, *FIT, "--words", words, "--attribute", PLACE, "--class-conditional"),
         "--class-conditional is for a model that reads prompts"),
        (("train", "waterbirds-mini", "--words", words), "is no file of features; leave it out"),
        (("train", birds, *FIT, "--draft"), "--draft is for images"),
        (("probe", birds), "is in words, and nothing reads them"),
        (("encode", birds), "holds features already; there is nothing to encode"),
        (("discover", birds, "--html", tmp_path / "d.html"), "shows images, and"),
        (("data", "picture", birds, "--out", tmp_path / "p.png"), "no images to show"),
        (("bench", "noisy-labels", birds), "features alone; the experiments learn prompts"),
        (("bench", "speed", birds), "holds features; the suite measures encoding too"),
        (("bench", "group-robustness", birds, "--rows", "erm,linear"), "the row erm reads words"),
    ):  # fmt: skip
        assert message in refused(cli, *arguments), arguments
    told(cli, "train", birds, *FIT, "--out", tmp_path / "run")
    image = Path(debias_pt.__file__).parents[1] / "docs" / "report.png"
    assert "learned from features without a model" in refused(cli, "predict", tmp_path / "run", image)
    assert "holds none; give one kind at a time" in refused(cli, "predict", tmp_path / "run", birds, image)
    np.save(tmp_path / "wide.npy", np.eye(5))
    assert "5 features a row, the run has 16" in refused(cli, "predict", tmp_path / "run", tmp_path / "wide.npy")


def test_a_suite_takes_features_and_names_the_rows_it_leaves_out(
    cli: Cli, files: tuple[Path, Path], tmp_path: Path
) -> None:
    own = {"dataset": "birds.npz", "attribute_column": ["place"]}
    (tmp_path / "bare.json").write_text(json.dumps(own))
    (tmp_path / "words.json").write_text(json.dumps({**own, "words": "words.npz", "attribute": [PLACE]}))
    sets = (tmp_path / "bare.json", tmp_path / "words.json")
    result = told(cli, "bench", "group-robustness", *sets, "--seeds", 1, "--steps", 5)
    bare, with_words = result["sets"]
    rows = {one["set"]: {row["row"] for row in one["rows"]} for one in result["sets"]}
    assert {"linear", "inferred", "anchored-classes", "anchored-true", "dfr", "afr"} <= rows["bare"]
    assert {"zero-shot", "anchored", "linear-dpt", "dfr-pseudo"} <= rows["words"] - rows["bare"]
    assert {"anchored", "erm", "zero-shot"} <= {*bare["without_words"]}
    assert {"erm", "dpt", "zero-shot-ensemble"} <= {*with_words["without_words"]}
    assert bare["left_out"] == with_words["left_out"] == []


def test_python_does_the_same(files: tuple[Path, Path], tmp_path: Path) -> None:
    birds, words = files
    with pytest.warns(DebiasWarning, match="the zero-shot model is left out: there is no model"):
        run = debias_pt.train(birds, method="class-balanced", head="linear", steps=5, out=str(tmp_path / "run"))
    assert run.predict(run.table).tolist() == run.predict(read_features(birds).features).tolist()
    dataset = read_features(birds, CustomData(attribute_columns=("place",)))
    assert run.table.data_fingerprint()["content"] == dataset.table({}).data_fingerprint()["content"]
    asked = debias_pt.train(birds, method="anchored", words=str(words), attribute=PLACE, out=str(tmp_path / "asked"))
    assert asked.parts["method"] == "anchored"


def test_features_of_a_model_that_is_here_get_its_words(
    cli: Cli, tiny: list[str], tiny_run: Path, tmp_path: Path
) -> None:
    table = debias_pt.open_run(tiny_run).table
    saved = table.save(tmp_path / "birds.safetensors")
    model = tiny[tiny.index("--pretrained") : tiny.index("--pretrained") + 2]
    result = told(cli, "train", saved, *model, "--steps", 3, "--out", tmp_path / "run")  # a prompt, by its own words
    assert result["parts"]["head"] == "prompt"
    assert result["probe"]["accuracy"] > 0
    linear = told(cli, "train", saved, *FIT, "--out", tmp_path / "linear")
    assert linear["model"] == "no model"
    image = Path(debias_pt.open_run(tiny_run).config["data_root"]) / "waterbirds_v1.0" / table.ids[0]
    by_model = told(cli, "predict", tmp_path / "linear", image, *model)["images"]
    assert by_model[0]["predicted"] in table.class_names
    assert "features of" in refused(
        cli, "train", saved, "--model", "mini", "--attribute", PLACE, "--out", tmp_path / "x"
    )
