"""Promises: names lead to the right architecture and preprocessing, or to advice; nothing is wrong in silence."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from open_clip.model import CLIP
from PIL import Image
from safetensors.torch import save_file

from debias_pt.errors import BackboneError, DebiasWarning
from debias_pt.models import names
from debias_pt.models.backbone import Backbone
from debias_pt.models.names import absolute, resolve_names
from tests.helpers.tiny_data import MODEL


def test_weights_trained_with_the_other_gelu_load_into_the_twin_and_say_so() -> None:
    with pytest.warns(DebiasWarning, match="loading 'ViT-B-32-quickgelu', which has the same architecture"):
        source = resolve_names("ViT-B-32", "openai")
    assert (source.model, source.weights, source.options) == ("ViT-B-32-quickgelu", "openai", {})


def test_every_pair_resolves_to_an_architecture_with_its_gelu() -> None:
    """All 196 pairs of open_clip's table; 27 load into a twin, and roberta's configuration is believed."""
    twins = 0
    for model, tag in open_clip.list_pretrained():
        with pytest.warns(DebiasWarning) if not names._gelu_fits(model, tag) else nullcontext():
            source = resolve_names(model, tag)
        twins += source.model != model
        assert source.model in open_clip.list_models()
        assert names._gelu_fits(source.model, tag), (model, tag)
    assert twins == 27
    assert resolve_names("roberta-ViT-B-32", "laion2b_s12b_b32k").model == "roberta-ViT-B-32"


@pytest.mark.parametrize("model", ["ViT-B-16-SigLIP", "MobileCLIP-B", "PE-Core-B-16", "ViT-L-14-CLIPA"])
def test_a_file_is_used_as_the_weights_of_the_model_s_tags(model: str, tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    file.touch()
    tag = open_clip.list_pretrained_tags_by_model(model)[0]
    known = open_clip.get_pretrained_cfg(model, tag)
    source = resolve_names(model, str(file))
    assert source.weights == str(file)
    for name, option in names.PREPROCESSING.items():
        assert source.options.get(option) == known.get(name)


def test_a_file_that_may_be_used_in_two_ways_is_refused_until_it_is_said(tmp_path: Path) -> None:
    file = tmp_path / "weights.pt"
    file.touch()
    with pytest.raises(BackboneError, match="say which these are like: --pretrained openai=.*weights.pt or --pretr"):
        resolve_names("ViT-L-14", str(file))
    source = resolve_names("ViT-L-14", f"laion2b_s32b_b82k={file}")
    assert (source.weights, source.options["image_mean"]) == (str(file), (0.5, 0.5, 0.5))
    with pytest.warns(DebiasWarning, match="ViT-L-14-quickgelu"):
        assert resolve_names("ViT-L-14", f"openai={file}").model == "ViT-L-14-quickgelu"
    with pytest.raises(BackboneError, match="unknown pretrained tag 'opnai'.*did you mean 'openai'"):
        resolve_names("ViT-L-14", f"opnai={file}")
    with pytest.warns(DebiasWarning, match="knows no weights of 'ViT-S-16', so images are prepared as OpenAI's"):
        assert resolve_names("ViT-S-16", str(file)).options == {}


def test_a_file_s_preprocessing_reaches_the_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loaded by file or by tag, the same image becomes the same pixels."""
    config = {**MODEL, "vision_cfg": {**MODEL["vision_cfg"], "image_size": 16}}
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "PE-Core-T-16-384", config)
    folder = tmp_path / "tiny"
    folder.mkdir()
    torch.manual_seed(0)
    save_file(CLIP(**config).state_dict(), folder / "w.safetensors")
    monkeypatch.setattr("open_clip.factory.download_pretrained", lambda *a, **k: str(folder / "w.safetensors"))
    (tag,) = open_clip.list_pretrained_tags_by_model("PE-Core-T-16-384")
    by_tag = Backbone.load("PE-Core-T-16-384", tag)
    by_file = Backbone.load("PE-Core-T-16-384", str(folder / "w.safetensors"))
    assert by_tag.fingerprint == by_file.fingerprint
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8))
    assert torch.equal(by_tag.preprocess(image), by_file.preprocess(image))
    assert float(by_file.preprocess(image).abs().max()) <= 1  # mean and deviation .5, not OpenAI's


def test_names_stay_valid_in_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.pt").touch()
    assert absolute("ViT-L-14", "openai=w.pt") == ("ViT-L-14", f"openai={tmp_path / 'w.pt'}")
    assert absolute("hf:.", None) == (f"hf:{tmp_path}", None)
    assert absolute("hf:openai/clip", None) == ("hf:openai/clip", None)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "find_spec", lambda name: None)
    for model, tag in (("ViT-B-16-SigLIP", "webli"), ("roberta-ViT-B-32", "laion2b_s12b_b32k")):
        with pytest.raises(BackboneError, match=r"needs the package transformers; pip install 'debias-pt\[hf\]'"):
            Backbone.load(model, tag)
    with pytest.raises(BackboneError, match="needs the package transformers"):
        Backbone.load("hf:openai/clip-vit-base-patch32")
