"""Promises: every image gets its row, in order; table, CSV, JSON lines and JSON say the same; a wrong option is one
line, before any work; a run that used annotations says so."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from debias_pt.cli.main import main
from debias_pt.errors import ImageError, NonFiniteError
from debias_pt.features import loader as batches
from debias_pt.features.encoding import encode_paths
from debias_pt.features.table import FeatureTable
from debias_pt.groups.refinement import RefinedProbe
from debias_pt.models.backbone import Backbone
from debias_pt.training.tuner import Tuner
from debias_pt.workflows.predict import as_csv, as_jsonl, predict
from debias_pt.workflows.run_folder import RunFolder
from tests.conftest import Cli
from tests.helpers.tiny_data import FOLDER


@pytest.fixture(scope="module")
def photos(waterbirds_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five images in a tree."""
    folder = tmp_path_factory.mktemp("photos")
    for i, image in enumerate(sorted((waterbirds_root / FOLDER).glob("*/test_*.jpg"))[:5]):
        (folder / str(i % 2)).mkdir(exist_ok=True)
        shutil.copy(image, folder / str(i % 2) / f"{i}.jpg")
    return folder


def run(*words: object) -> int:
    """Run the command line in this process; its output is in capsys."""
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    return int(stop.value.code or 0)


def test_the_command(cli: Cli, tiny_run: Path, photos: Path) -> None:
    """In a process of its own: one JSON object on standard output, the rest on standard error."""
    (photos / "labels.txt").touch()
    done = cli("predict", tiny_run, "0", photos / "1", "0/0.jpg", ".", "--json", cwd=photos)
    (photos / "labels.txt").unlink()
    assert done.returncode == 0, done.stderr
    assert done.stderr == "warning: .: left out 1 without an image extension: labels.txt\n"
    result = json.loads(done.stdout)
    assert [row["path"] for row in result["images"]] == ["0/0.jpg", "0/2.jpg", "0/4.jpg", *map(str, ones(photos))]
    assert result["left_out"] == ["labels.txt"]


def ones(photos: Path) -> list[Path]:
    return [photos / "1" / "1.jpg", photos / "1" / "3.jpg"]


def test_probabilities_are_the_mean_over_seeds(
    tiny_run: Path, photos: Path, backbone: Backbone, table: FeatureTable
) -> None:
    result = predict(str(tiny_run), [str(photos)])
    assert result["class_names"] == ["landbird", "waterbird"]
    assert result["attributes"] == ["background"]
    assert (result["synthetic"], result["oracle"]) == (False, False)
    state, meta = RunFolder(tiny_run).read_prompt()
    alone = []
    for i in range(2):
        tuner = Tuner(backbone).load_head(meta["class_names"], {"context": state["context"][[i]]})
        alone.append(tuner.predict_proba(encode_paths(backbone, [row["path"] for row in result["images"]]).numpy())[0])
    found = [list(row["probabilities"].values()) for row in result["images"]]
    assert np.allclose(found, np.mean(alone, axis=0), atol=1e-7)
    for row in result["images"]:
        assert row["probability"] == max(row["probabilities"].values()) == row["probabilities"][row["label"]]
        assert row["attributes"]["background"]["value"] in ("land", "water")
        assert 0.5 <= row["attributes"]["background"]["confidence"] <= 1


def test_csv_and_json_lines_say_what_json_says(
    tiny_run: Path, photos: Path, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    rows = predict(str(tiny_run), [str(photos)])["images"]
    assert run("predict", tiny_run, photos, "--format", "csv") == 0
    text = capsysbinary.readouterr().out
    table = list(csv.DictReader(io.StringIO(text.decode())))
    names = ["id", "predicted", "probability", "p(landbird)", "p(waterbird)", "background", "background_confidence"]
    assert list(table[0]) == [*names, "path", "label"]  # the last two are the older names of the first two
    for line, row in zip(table, rows, strict=True):
        said = row["attributes"]["background"]
        assert (line["id"], line["predicted"], line["background"]) == (row["id"], row["predicted"], said["value"])
        assert (line["path"], line["label"]) == (row["path"], row["label"]) == (row["id"], row["predicted"])
        numbers = [row["probability"], *row["probabilities"].values(), said["confidence"]]
        assert [float(line[name]) for name in (*names[2:5], names[6])] == pytest.approx(numbers, abs=1e-6)
    assert run("predict", tiny_run, photos, "--format", "jsonl") == 0
    assert [json.loads(line) for line in capsysbinary.readouterr().out.splitlines()] == rows
    for name in ("said/a.csv", "said/b.jsonl"):
        assert run("predict", tiny_run, photos, "--out", tmp_path / name) == 0
        assert capsysbinary.readouterr().out == f"written: {tmp_path / name} (5 images)\n".encode()
    assert (tmp_path / "said" / "a.csv").read_bytes() == text
    assert [json.loads(line) for line in (tmp_path / "said" / "b.jsonl").read_text().splitlines()] == rows
    assert run("predict", tiny_run, photos, "--format", "csv", "--out", tmp_path / "c.txt", "--json") == 0
    assert json.loads(capsysbinary.readouterr().out)["out"] == str(tmp_path / "c.txt")
    assert (tmp_path / "c.txt").read_bytes() == text


def test_the_table_shows_names_as_they_are(
    tiny_run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(photos / "0" / "0.jpg", tmp_path / "bird[final].jpg")
    monkeypatch.chdir(tmp_path)
    assert run("predict", tiny_run, "bird[final].jpg") == 0
    out = capsys.readouterr().out
    assert "bird[final].jpg" in out
    assert "background (probe)" in out


def test_names_that_are_no_text_are_kept(
    tiny_run: Path,
    photos: Path,
    tmp_path: Path,
    capsysbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    try:
        shutil.copy(photos / "0" / "0.jpg", tmp_path / os.fsdecode(b"caf\xe9.jpg"))
    except OSError:
        pytest.skip("this file system takes no such name")
    monkeypatch.chdir(tmp_path)
    assert run("predict", tiny_run, ".", "--format", "csv") == 0
    text = capsysbinary.readouterr().out
    assert b"\ncaf\xe9.jpg," in text
    assert run("predict", tiny_run, ".", "--out", tmp_path / "said" / "a.csv") == 0
    assert (tmp_path / "said" / "a.csv").read_bytes() == text
    shutil.rmtree(tmp_path / "said")
    assert json.loads(as_jsonl(predict(str(tiny_run), ["."])))["path"] == "caf\udce9.jpg"
    capsysbinary.readouterr()
    assert run("predict", tiny_run, ".") == 0
    assert "caf\ufffd.jpg".encode() in capsysbinary.readouterr().out


def test_commas_and_quotes_in_names_survive_csv(tiny_run: Path, photos: Path, tmp_path: Path) -> None:
    odd = tmp_path / 'a, "b".jpg'
    shutil.copy(photos / "0" / "0.jpg", odd)
    text = as_csv(predict(str(tiny_run), [str(odd)]))
    assert next(csv.DictReader(io.StringIO(text)))["id"] == str(odd)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--format", "cvs"], "unknown format 'cvs' (did you mean 'csv'?); known: table, csv, jsonl"),
        (["--out", "said.txt"], "--out is 'said.txt'; a file can be csv or jsonl"),
        (["--out", "said.csv", "--format", "table"], "--format is 'table'; a file can be csv or jsonl"),
        (["--out", "said.csv", "--format", "jsonl"], "--format is 'jsonl' and --out 'said.csv', which ends in .csv"),
        (["--json", "--format", "csv"], "--json and --format csv both want standard output"),
        (["--out", "/dev/null/said.csv"], "cannot create this folder"),
        (["--out", "0.csv"], "0.csv: is a folder; give --out a file name"),
        (["nothing.jpg"], "nothing.jpg: no such image file or folder"),
        (["empty"], "empty: no image in this folder (no files at all)"),
    ],
)
def test_what_cannot_work_is_one_line_before_any_work(
    options: list[str],
    message: str,
    tiny_run: Path,
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "0.csv").mkdir()
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Backbone, "load", None)
    assert run("predict", tiny_run, photos, *options) == 2
    out, errors = capsys.readouterr()
    assert out == ""
    assert errors.startswith(f"error: {message}" if message[0] != "c" else "error: ")
    assert message in errors
    assert errors.count("\n") == 1


def test_a_file_counts_whatever_its_ending_but_must_be_an_image(tiny_run: Path, photos: Path, tmp_path: Path) -> None:
    shutil.copy(photos / "0" / "0.jpg", tmp_path / "bird.data")
    rows = predict(str(tiny_run), [str(tmp_path / "bird.data"), str(photos / "0" / "0.jpg")])["images"]
    assert rows[0]["probabilities"] == rows[1]["probabilities"]
    (tmp_path / "bird.data").write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"bird\.data: cannot read this image"):
        predict(str(tiny_run), [str(tmp_path / "bird.data")])


def test_an_oracle_is_said_to_be_one(
    train_tiny: Callable[..., Path], photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    oracle = train_tiny(tmp_path / "run", groups="true")
    assert run("predict", oracle, photos) == 0
    assert "ORACLE: the run used annotated attributes (training groups)" in capsys.readouterr().out
    assert run("predict", oracle, photos, "--format", "csv") == 0
    out, errors = capsys.readouterr()
    assert out.startswith("id,predicted,")
    assert "ORACLE" in errors
    assert predict(str(oracle), [str(photos)])["attribute_labels_used"] == ["training groups"]


def test_many_images_are_read_by_processes_and_few_are_not(
    backbone: Backbone, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    real = batches.DataLoader

    def loader(*args: object, **more: object) -> object:
        started.append(more["num_workers"])
        return real(*args, **{**more, "num_workers": 0})  # type: ignore[arg-type]

    monkeypatch.setattr(batches, "DataLoader", loader)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    path = str(photos / "0" / "0.jpg")
    few = encode_paths(backbone, [path] * 3)
    many = encode_paths(backbone, [path] * 100)
    encode_paths(backbone, [path] * 100, workers=0)
    assert started == [0, 4, 0]
    assert len(many) == 100
    assert np.allclose(few[0], many, atol=1e-6)


def test_processes_give_the_same_features_in_order(backbone: Backbone, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    paths = [str(tmp_path / f"{i}.png") for i in range(9)]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (36, 40, 3), dtype=np.uint8)).save(path)
    alone = [encode_paths(backbone, [path])[0] for path in paths]
    together = encode_paths(backbone, paths, batch_size=2, workers=2)
    assert np.allclose(np.stack([one.numpy() for one in alone]), together.numpy(), atol=1e-6)


def test_nan_from_the_model_is_refused_with_the_image(
    backbone: Backbone, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        Backbone, "encode_images", lambda self, images, turn=0: images.flatten(1)[:, :24] * float("nan")
    )
    with pytest.raises(NonFiniteError, match=r"0\.jpg: the model gave NaN or infinity"):
        encode_paths(backbone, [str(photos / "0" / "0.jpg")])


def test_predict_asks_the_probe_about_the_class_it_predicts(
    tiny_run: Path, waterbirds_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    whole = RefinedProbe.predict

    def spy(self: RefinedProbe, features: Any, y: Any, **options: Any) -> Any:
        asked.extend(y.tolist())
        return whole(self, features, y, **options)

    monkeypatch.setattr(RefinedProbe, "predict", spy)
    images = sorted(map(str, (waterbirds_root / FOLDER).glob("*/test_*.jpg")))[:6]
    result = predict(str(tiny_run), images)
    assert [result["class_names"][y] for y in asked] == [one["predicted"] for one in result["images"]]
    for one in result["images"]:
        assert one["predicted"] == max(one["probabilities"], key=one["probabilities"].__getitem__)


def test_the_file_of_predict() -> None:
    answers = {"background": {"value": "land", "confidence": 0.75}}
    image = {"id": "a,b.jpg", "path": "a,b.jpg", "predicted": "dog", "label": "dog", "probability": 0.625}
    image |= {"probabilities": {"cat": 0.375, "dog": 0.625}, "attributes": answers}
    text = as_csv({"class_names": ["cat", "dog"], "attributes": ["background"], "images": [image]})
    header, line = csv.reader(io.StringIO(text))
    assert header[:6] == ["id", "predicted", "probability", "p(cat)", "p(dog)", "background"]
    assert line == [*("a,b.jpg", "dog", "0.625000", "0.375000", "0.625000", "land", "0.750000", "a,b.jpg", "dog")]
