"""Promises: ONNX and torch.export give the tuner's logits for any batch size; open_clip loads the checkpoint; what
cannot be exported is refused in one line."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from debias_pt.datasets.images import open_rgb
from debias_pt.errors import OutputError, UsageError
from debias_pt.features.table import FeatureTable
from debias_pt.groups.groups import Groups
from debias_pt.models.backbone import Backbone
from debias_pt.sharing.export import export_tuner
from debias_pt.training.tuner import Tuner
from tests.helpers.tiny_data import FOLDER


@pytest.fixture(scope="module")
def tuner(backbone: Backbone, table: FeatureTable) -> Tuner:
    groups = Groups.by_class(table.y, table.class_names)
    return Tuner(backbone, method="class-balanced", steps=3, seeds=2).fit(table, groups)


@pytest.fixture(scope="module")
def paths(table: FeatureTable, waterbirds_root: Path) -> list[Path]:
    return [waterbirds_root / FOLDER / name for name in table.ids[:50:10]]


def pixels(tuner: Tuner, paths: list[Path]) -> torch.Tensor:
    return torch.stack([tuner.backbone.preprocess(open_rgb(path)) for path in paths])


@pytest.mark.filterwarnings("ignore")  # of torch's exporter and onnxruntime
def test_onnx_gives_the_same_logits(tuner: Tuner, paths: list[Path], tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    pytest.importorskip("torch", minversion="2.8")
    file = export_tuner(tuner, tmp_path / "birds.onnx", seed=1)
    assert [one.name for one in tmp_path.iterdir()] == ["birds.onnx"]
    session = runtime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    for n in (1, 3, len(paths)):
        (logits,) = session.run(["logits"], {"images": pixels(tuner, paths[:n]).numpy()})
        np.testing.assert_allclose(logits, tuner.logits(paths[:n])[1], atol=1e-3)
    assert abs(logits[0] - logits[1]).max() > 1e-2
    meta = session.get_modelmeta().custom_metadata_map
    assert json.loads(meta["class_names"]) == ["landbird", "waterbird"]
    assert json.loads(meta["preprocessing"])["mean"] == [0.5] * 3


@pytest.mark.filterwarnings("ignore")
def test_an_exported_program_gives_the_same_logits(tuner: Tuner, paths: list[Path], tmp_path: Path) -> None:
    pytest.importorskip("torch", minversion="2.8")
    file = export_tuner(tuner, tmp_path / "birds.pt2")
    extra = {"debias_pt.json": ""}
    module = torch.export.load(str(file), extra_files=extra).module()
    for n in (1, 4):
        logits = module(pixels(tuner, paths[:n])).detach().numpy()
        np.testing.assert_allclose(logits, tuner.logits(paths[:n])[0], atol=1e-3)
    assert json.loads(extra["debias_pt.json"])["class_names"] == ["landbird", "waterbird"]
    assert zipfile.is_zipfile(file)


def test_open_clip_loads_the_checkpoint(tuner: Tuner, paths: list[Path], tmp_path: Path) -> None:
    folder = export_tuner(tuner, tmp_path / "birds")
    model, preprocess = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
    weights = load_file(folder / "class_weights.safetensors")["class_weights"]
    scale = json.loads((folder / "class_weights.json").read_text())["logit_scale"]
    images = torch.stack([preprocess(Image.open(path).convert("RGB")) for path in paths])
    with torch.no_grad():
        logits = scale * model.eval().encode_image(images, normalize=True) @ weights.T
    np.testing.assert_allclose(logits.numpy(), tuner.logits(paths)[0], atol=1e-4)
    assert Backbone.load(f"local-dir:{folder}").fingerprint == tuner.backbone.fingerprint
    export_tuner(tuner, folder)  # replaced


def test_what_cannot_be_exported(tuner: Tuner, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"exports end in \.onnx or \.pt2"):
        export_tuner(tuner, tmp_path / "birds.h5")
    with pytest.raises(UsageError, match="seed is 7; this tuner has 0, 1"):
        export_tuner(tuner, tmp_path / "birds.onnx", seed=7)
    (tmp_path / "mine").touch()
    with pytest.raises(OutputError, match="holds something else"):
        export_tuner(tuner, tmp_path)
    with pytest.raises(UsageError, match="has learned nothing yet"):
        export_tuner(Tuner(tuner.backbone), tmp_path / "empty")
    with pytest.raises(UsageError, match=r"is now debias_pt\.export_tuner\(tuner, path\)"):
        tuner.export(tmp_path / "birds.onnx")
