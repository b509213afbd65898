"""Promises: models load by open_clip's names, are frozen, and carry a fingerprint of all that features depend on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from debias_pt.errors import BackboneError, UsageError
from debias_pt.models.backbone import Backbone, resolve_devices
from debias_pt.utils.fingerprint import weights_digest
from tests.helpers.tiny_data import write_checkpoint


def test_both_ways_to_name_a_local_checkpoint_are_one(tiny_checkpoint: Path) -> None:
    by_model = Backbone.load(f"local-dir:{tiny_checkpoint}")
    by_weights = Backbone.load(None, f"local-dir:{tiny_checkpoint}")
    assert by_model.fingerprint == by_weights.fingerprint
    assert by_model.name == tiny_checkpoint.name
    assert by_model.dim == 24


def test_features_are_those_of_open_clip(backbone: Backbone) -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8))
    pixels = backbone.preprocess(image)[None]
    expected = backbone.model.encode_image(pixels, normalize=True)
    assert torch.allclose(backbone.encode_images(pixels), expected, atol=1e-6)
    assert not any(parameter.requires_grad for parameter in backbone.model.parameters())
    assert not backbone.model.training


def test_fingerprint_follows_weights_config_and_preprocessing(tmp_path: Path) -> None:
    same, other = (write_checkpoint(tmp_path / str(seed) / "tiny", seed) for seed in (0, 1))
    first, second = (Backbone.load(f"local-dir:{folder}").fingerprint for folder in (same, other))
    renamed = shutil.copytree(same, tmp_path / "renamed")
    assert Backbone.load(f"local-dir:{renamed}").fingerprint == first
    assert [key for key in first if first[key] != second[key]] == ["weights"]
    config = json.loads((same / "open_clip_config.json").read_text())
    config["preprocess_cfg"]["mean"] = [0.4, 0.5, 0.5]
    config["model_cfg"]["quick_gelu"] = True
    (same / "open_clip_config.json").write_text(json.dumps(config))
    third = Backbone.load(f"local-dir:{same}").fingerprint
    assert {key for key in first if first[key] != third[key]} == {"preprocessing", "quick_gelu", "config"}


def test_weights_hash_sees_a_single_value(tiny_checkpoint: Path) -> None:
    model = Backbone.load(f"local-dir:{tiny_checkpoint}").model
    before = weights_digest(model)
    with torch.no_grad():
        model.ln_final.bias[0] += 1e-6
    assert weights_digest(model) != before


@pytest.mark.parametrize(
    ("model", "pretrained", "message"),
    [
        ("ViT-B32", "openai", "unknown model 'ViT-B32' \\(did you mean 'ViT-B-32'\\?\\)"),
        ("ViT-B-32", "opnai", "unknown pretrained tag 'opnai' for 'ViT-B-32' \\(did you mean 'openai'\\?\\)"),
        ("ViT-B-32-quickgelu", "laion2b_s34b_b79k", "unknown pretrained tag"),
        ("ViT-B-32", None, "no weights given for 'ViT-B-32'; give --pretrained, known tags: openai"),
        (None, "openai", "no model given"),
        ("local-dir:/nowhere", None, "no open_clip_config.json here"),
        ("ViT-B-32", "local-dir:/nowhere", "name two models"),
        ("hf-hub:a/b", "openai", "brings its own weights"),
        ("ViT-B/32", "opnai", "for 'ViT-B-32' \\(did you mean 'openai'"),
    ],
)
def test_wrong_names_are_refused_with_advice(model: str | None, pretrained: str | None, message: str) -> None:
    with pytest.raises(BackboneError, match=message):
        Backbone.load(model, pretrained)


def test_a_folder_without_weights_is_refused(tiny_checkpoint: Path, tmp_path: Path) -> None:
    shutil.copy(tiny_checkpoint / "open_clip_config.json", tmp_path)
    with pytest.raises(BackboneError, match="no weights here"):
        Backbone.load(f"local-dir:{tmp_path}")


def test_another_preprocessing_is_another_fingerprint(backbone: Backbone) -> None:
    made = [
        Backbone(backbone.model, backbone.tokenizer, preprocess, name="mine").fingerprint["preprocessing"]
        for preprocess in (backbone.preprocess, torch.nn.Identity(), torch.nn.Dropout())
    ]
    assert len(set(made)) == 3
    assert "0x" not in made[0]


def test_weights_of_another_architecture_are_refused(tiny_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match="do not fit the model 'ViT-B-32-quickgelu'"):
        Backbone.load("ViT-B-32-quickgelu", str(tiny_checkpoint / "open_clip_model.safetensors"))


def test_failed_download_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **more: object) -> None:
        raise ConnectionError("no route to host")

    monkeypatch.setattr("open_clip.factory.download_pretrained", refuse)
    with pytest.raises(BackboneError, match="no route to host.*--pretrained local-dir:PATH"):
        Backbone.load("ViT-B-32-quickgelu", "openai")


def test_devices_and_precisions_are_checked(tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_devices("auto")[0].type in ("cpu", "cuda")
    with pytest.raises(UsageError, match="unknown device 'tpu'"):
        resolve_devices("tpu")
    with pytest.raises(UsageError, match="is not there"):
        resolve_devices("cuda:99")
    with pytest.raises(UsageError, match="unknown device 'cuda:x'"):
        resolve_devices("cuda:x")
    low = Backbone.load(f"local-dir:{tiny_checkpoint}", precision="bf16")
    with pytest.raises(UsageError, match="needs a GPU"):
        low.encode_images(torch.zeros(1, 3, 32, 32))
    with pytest.raises(UsageError, match="unknown precision 'int8'"):
        Backbone.load(f"local-dir:{tiny_checkpoint}", precision="int8")


@pytest.mark.parametrize(
    ("asked", "numbers"), [("auto", [0, 1, 2]), ("cuda", [0, 1, 2]), ("cuda:1", [1]), ("cuda:2,0", [2, 0])]
)
def test_several_devices_may_be_named(monkeypatch: pytest.MonkeyPatch, asked: str, numbers: list[int]) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    assert resolve_devices(asked) == tuple(torch.device("cuda", number) for number in numbers)
    with pytest.raises(UsageError, match="device 'cuda:0,3' is not there .3 GPUs seen."):
        resolve_devices("cuda:0,3")
    with pytest.raises(UsageError, match="names a GPU twice"):
        resolve_devices("cuda:1,1")


def test_draft_decoding_is_part_of_the_fingerprint_and_leaves_the_default_as_it_was(tiny_checkpoint: Path) -> None:
    plain, draft = (Backbone.load(f"local-dir:{tiny_checkpoint}", draft=draft) for draft in (False, True))
    assert plain.decode_at_least is None
    assert "decoding" not in plain.fingerprint
    size = plain.model.visual.image_size
    assert draft.decode_at_least == 2 * (size if isinstance(size, int) else max(size))
    assert draft.fingerprint == {**plain.fingerprint, "decoding": f"draft, {draft.decode_at_least} pixels"}
    with pytest.raises(UsageError, match="draft decoding needs the size of preprocessed images, not known here"):
        Backbone(plain.model, plain.tokenizer, plain.preprocess, name="bare", draft=True)
