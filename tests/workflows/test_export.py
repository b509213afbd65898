"""Promises: the exported class weights give, in plain open_clip and by the lines of docs/export.md, the logits of
Tuner; an export is there whole or not at all, and says where it comes from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

import debias_pt
from debias_pt.cli.main import main
from debias_pt.errors import FingerprintError, OutputError, RunError, UsageError
from debias_pt.features.encoding import encode_paths
from debias_pt.models.backbone import Backbone
from debias_pt.training.tuner import Tuner
from debias_pt.workflows.evaluate import load_tuner, run_settings
from debias_pt.workflows.export import export
from debias_pt.workflows.run_folder import RunFolder
from tests.helpers.export_page import DOCS, LINES, run_lines
from tests.helpers.tiny_data import FOLDER, write_checkpoint


@pytest.fixture(scope="module")
def tuner(tiny_run: Path, backbone: Backbone) -> Tuner:
    run = RunFolder(tiny_run)
    return load_tuner(run.read_prompt(), run_settings(run, {}), backbone)


@pytest.fixture
def images(waterbirds_root: Path, tmp_path: Path) -> list[Path]:
    """Photographs, greyscale, a palette, transparency, and other shapes than the model's."""
    rng = np.random.default_rng(0)
    paths = sorted((waterbirds_root / FOLDER).glob("*/test_*.jpg"))[::5]
    pixels = rng.integers(0, 256, (50, 33, 4), dtype=np.uint8)
    made = {
        "grey.png": Image.fromarray(pixels[..., 0]),
        "palette.png": Image.fromarray(pixels[..., :3]).convert("P"),
        "clear.png": Image.fromarray(pixels),
        "wide.png": Image.fromarray(pixels[:20, :, :3]),
    }
    for name, image in made.items():
        image.save(tmp_path / name)
        paths.append(tmp_path / name)
    return paths


@pytest.mark.parametrize("run_index", [0, 1])
def test_the_lines_of_the_document_give_identical_logits(
    run_index: int,
    tiny_run: Path,
    tiny_checkpoint: Path,
    tuner: Tuner,
    images: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert "debias_pt" not in LINES
    assert len([line for line in LINES.splitlines() if line and "import" not in line]) <= 10
    export(str(tiny_run), out=str(tmp_path / "export"), seed=3 + run_index)
    (tmp_path / tiny_checkpoint.name).symlink_to(tiny_checkpoint)
    monkeypatch.chdir(tmp_path)
    expected = tuner.logits(encode_paths(tuner.backbone, list(map(str, images))).numpy())[run_index]
    assert len(images) >= 6
    for image, logits in zip(images, expected, strict=True):
        found = run_lines(tmp_path, image)["logits"]
        assert np.allclose(found[0], logits, atol=1e-5, rtol=0), image
        p = torch.from_numpy(logits).softmax(dim=-1)
        assert capsys.readouterr().out == f"landbird: {p[0]:.3f}\nwaterbird: {p[1]:.3f}\n"
    assert abs(expected[0] - expected[1]).max() > 1e-3  # images differ, so their order matters


def test_files_and_fields(tiny_run: Path, tuner: Tuner, tiny_checkpoint: Path, tmp_path: Path) -> None:
    result = export(str(tiny_run), out=str(tmp_path / "a" / "b"))
    folder = tmp_path / "a" / "b"
    assert {path.name for path in folder.iterdir()} == {"class_weights.safetensors", "class_weights.json"}
    assert {path.name for path in folder.parent.iterdir()} == {"b"}
    tensors = load_file(folder / "class_weights.safetensors")
    assert set(tensors) == {"class_weights"}
    weights = tensors["class_weights"]
    assert (weights.dtype, tuple(weights.shape)) == (torch.float32, (2, 24))
    assert torch.allclose(weights.norm(dim=1), torch.ones(2), atol=1e-6)
    assert torch.equal(weights, torch.from_numpy(tuner.class_weights_[0]))
    facts = json.loads((folder / "class_weights.json").read_text())
    assert len(facts.pop("sha256")) == 64
    assert facts == {
        "class_names": ["landbird", "waterbird"],
        "dim": 24,
        "logit_scale": tuner.backbone.logit_scale,
        "model": f"local-dir:{tiny_checkpoint.name}",
        "pretrained": None,
        "backbone": tuner.backbone.fingerprint,
        "debias_pt": debias_pt.__version__,
        "seed": 3,
        "dataset": "waterbirds",
        "synthetic": False,
        "method": "dpt",
        "oracle": False,
        "attribute_labels_used": [],
    }
    assert result == {"run": str(tiny_run), "folder": str(folder), **facts}
    with safe_open(str(folder / "class_weights.safetensors"), framework="np") as file:
        assert json.loads(file.metadata()["debias_pt"]) == facts
    table = DOCS.split("| field |")[1]
    assert all(f"`{name}`" in table for name in facts)


def test_model_and_tag_are_named_as_open_clip_takes_them(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_checkpoint.parent)
    by_folder = Backbone.load(pretrained=f"local-dir:{tiny_checkpoint.name}")
    assert by_folder.source == (f"local-dir:{tiny_checkpoint.resolve()}", None)
    built_in = Backbone.load("mini").source[0]
    assert built_in is not None
    assert built_in.endswith("debias_pt/models/mini")
    monkeypatch.setattr(
        "open_clip.create_model_from_pretrained", lambda *a, **k: (by_folder.model, torch.nn.Identity())
    )
    assert Backbone.load("ViT-B/32-quickgelu", "openai").source == ("ViT-B-32-quickgelu", "openai")
    (tiny_checkpoint.parent / "weights.pt").touch()
    by_file = Backbone.load("ViT-B-32-quickgelu", "weights.pt")
    assert by_file.source[1] == str(tiny_checkpoint.parent.resolve() / "weights.pt")


def test_the_default_folder_and_the_command(tiny_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for options in ([], ["--seed", "4", "--json"]):  # the second replaces the first
        with pytest.raises(SystemExit) as stop:
            main(["export", str(tiny_run), *options])
        assert stop.value.code == 0
    written, _, rest = capsys.readouterr().out.partition("\n")
    assert written == f"written: {tiny_run / 'export'} (2 x 24, seed 3: landbird, waterbird)"
    assert json.loads(rest)["seed"] == 4
    assert json.loads((tiny_run / "export" / "class_weights.json").read_text())["seed"] == 4


def test_an_oracle_is_said_to_be_one(
    train_tiny: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    oracle = train_tiny(tmp_path / "run", select="true-wga")
    with pytest.raises(SystemExit):
        main(["export", str(oracle)])
    assert "ORACLE: the run used annotated attributes (step selection)" in capsys.readouterr().out
    facts = json.loads((oracle / "export" / "class_weights.json").read_text())
    assert (facts["oracle"], facts["attribute_labels_used"]) == (True, ["step selection"])


def test_no_data_is_needed_and_a_moved_model_is_found(
    train_tiny: Callable[..., Path], tiny_checkpoint: Path, waterbirds_root: Path, tmp_path: Path
) -> None:
    here = shutil.copytree(tiny_checkpoint, tmp_path / "here")
    data = shutil.copytree(waterbirds_root, tmp_path / "data")
    run = train_tiny(tmp_path / "run", pretrained=f"local-dir:{here}", data_root=str(data))
    shutil.rmtree(data)
    there = here.rename(tmp_path / "there")
    with pytest.raises(UsageError, match="no open_clip_config"):
        export(str(run))
    assert export(str(run), pretrained=f"local-dir:{there}")["model"] == f"local-dir:{there.name}"
    other = write_checkpoint(tmp_path / "other", seed=1)
    with pytest.raises(FingerprintError, match="give the run's --model and --pretrained"):
        export(str(run), pretrained=f"local-dir:{other}")


def test_what_cannot_be_exported_is_refused(tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Backbone, "load", None)
    with pytest.raises(UsageError, match=r"tiny: seed is 5; this run has 3, 4$"):
        export(str(tiny_run), seed=5)
    with pytest.raises(RunError, match="no run here"):
        export(str(tmp_path))
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file: is a file; give --out a folder"):
        export(str(tiny_run), out=str(tmp_path / "file"))
    with pytest.raises(OutputError, match=r"holds other files \('file'\); give --out a folder for the export alone"):
        export(str(tiny_run), out=str(tmp_path))
    with pytest.raises(OutputError, match="holds other files"):
        export(str(tiny_run), out=str(tiny_run))


def test_an_export_that_fails_leaves_the_older_one(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "export"
    export(str(tiny_run), out=str(folder), seed=3)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def fail(path: Path, value: object) -> None:
        raise OutputError(f"{path}: cannot write (no space)")

    monkeypatch.setattr("debias_pt.workflows.export.write_json", fail)
    with pytest.raises(OutputError, match="no space"):
        export(str(tiny_run), out=str(folder), seed=4)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.filterwarnings("ignore")  # of torch's exporter and onnxruntime
def test_a_run_becomes_an_onnx_file(tiny_run: Path, tuner: Tuner, images: list[Path], tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    pytest.importorskip("torch", minversion="2.8")
    result = export(str(tiny_run), out=str(tmp_path / "birds.onnx"), seed=4)
    session = runtime.InferenceSession(result["folder"], providers=["CPUExecutionProvider"])
    assert json.loads(session.get_modelmeta().custom_metadata_map["data"]) == "waterbirds"
    pixels = tuner.backbone.preprocess(Image.open(images[0]).convert("RGB"))[None].numpy()
    np.testing.assert_allclose(session.run(None, {"images": pixels})[0], tuner.logits(images[0])[1], atol=1e-3)
