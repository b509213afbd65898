"""Promises: checkpoints of transformers give transformers' own logits, take prompts, and execute nothing."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from debias_pt.errors import BackboneError, UsageError
from debias_pt.models.backbone import Backbone
from debias_pt.models.heads import ClassTokenHead, PromptHead, TextEncoderHead
from studies.model_coverage.small_tokenizers import write_tokenizer
from tests.helpers.other_checkpoints import FOLDERS, write_transformers

transformers = pytest.importorskip("transformers")
TEXTS = ["a photo of a cat.", "a photo of a kite (bird).", "a photo of a goldfish."]
NAMES = ["cat", "kite (bird)", "goldfish"]
IMAGES = [
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (40, 60, 3), dtype=np.uint8)) for seed in range(3)
]


@pytest.fixture(scope="module", params=list(FOLDERS))
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_transformers(tmp_path_factory.mktemp(request.param), request.param)


def own_logits(folder: Path) -> torch.Tensor:
    """The logits of transformers, by its own classes, as its documentation computes them."""
    kind = json.loads((folder / "config.json").read_text())["model_type"]
    model = transformers.AutoModel.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    length = model.config.text_config.max_position_embeddings
    tokens = tokenizer(TEXTS, padding="max_length", max_length=length, return_tensors="pt")
    masks = {"attention_mask": tokens["attention_mask"]} if kind == "clip" else {}
    images = transformers.AutoImageProcessor.from_pretrained(folder)(images=IMAGES, return_tensors="pt")
    with torch.no_grad():
        return torch.as_tensor(model(input_ids=tokens["input_ids"], **masks, **images).logits_per_image)


def test_logits_are_those_of_transformers(checkpoint: Path) -> None:
    backbone = Backbone.load(f"hf:{checkpoint}")
    images = backbone.encode_images(torch.stack([backbone.preprocess(image) for image in IMAGES]))
    found = backbone.logit_scale * images @ backbone.encode_text(TEXTS).T + (backbone.logit_bias or 0)
    expected = own_logits(checkpoint)
    assert float(expected.std()) > 1e-3
    assert torch.allclose(found, expected, atol=1e-5 * backbone.logit_scale)
    assert backbone.source == (f"hf:{checkpoint}", None)


def test_every_head_starts_at_zero_shot_and_learns(checkpoint: Path) -> None:
    backbone = Backbone.load(f"hf:{checkpoint}")
    expected = backbone.encode_text(TEXTS)
    for head in (
        PromptHead(backbone, NAMES, context_init="a photo of a"),
        ClassTokenHead(backbone, NAMES),
        TextEncoderHead(backbone, NAMES),
    ):
        weights = head()
        assert torch.allclose(weights[0].detach(), expected, atol=1e-5)
        weights[0, 0].sum().backward()
        assert any(float(p.grad.abs().max()) > 0 for p in head.parameters() if p.grad is not None)
    kind = json.loads((checkpoint / "config.json").read_text())["model_type"]
    assert PromptHead(backbone, NAMES).text_pass == ("shared" if kind == "clip" else "whole")


def test_an_old_configuration_s_end_token_and_another_gelu_are_read(tmp_path: Path) -> None:
    """OpenAI's own checkpoints say 2 where they mean the largest id."""
    folder = write_transformers(tmp_path, "clip", eos_token_id=2, hidden_act="gelu")
    backbone = Backbone.load(f"hf:{folder}")
    images = backbone.encode_images(torch.stack([backbone.preprocess(image) for image in IMAGES]))
    found = backbone.logit_scale * images @ backbone.encode_text(TEXTS).T
    assert torch.allclose(found, own_logits(folder), atol=1e-5 * backbone.logit_scale)
    head = PromptHead(backbone, NAMES, context_init="a photo of a")
    assert torch.allclose(head()[0].detach(), backbone.encode_text(TEXTS), atol=1e-5)


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    folder = write_transformers(tmp_path, "clip")
    write_tokenizer("byte-pairs", folder)
    with pytest.raises(BackboneError, match="give the model its own tokenizer"):
        PromptHead(Backbone.load(f"hf:{folder}"), NAMES)


def test_nothing_in_a_pickle_is_executed(tmp_path: Path) -> None:
    folder = write_transformers(tmp_path / "model", "clip")
    (folder / "model.safetensors").unlink()
    with open(folder / "pytorch_model.bin", "wb") as file:
        pickle.dump({"logit_scale": Hostile(tmp_path / "executed")}, file)
    with pytest.raises(BackboneError, match="hold more than tensors"):
        Backbone.load(f"hf:{folder}")
    assert not (tmp_path / "executed").exists()
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": {}}))
    with pytest.raises(BackboneError):
        Backbone.load(f"local-dir:{folder}")
    assert not (tmp_path / "executed").exists()


class Hostile:
    """Writes a file when it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = str(place)

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path(self.place),)


def test_the_hostile_file_would_work(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Hostile(tmp_path / "executed")))
    assert (tmp_path / "executed").exists()


def test_what_cannot_be_loaded_is_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match="no such folder"):
        Backbone.load(f"hf:{tmp_path / 'nowhere'}")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(BackboneError, match="is a 'bert' of transformers, not one of CLIPModel"):
        Backbone.load(f"hf:{tmp_path}")
    with pytest.raises(BackboneError, match=f"or --model hf:{tmp_path}"):
        Backbone.load(f"local-dir:{tmp_path}")


def test_draft_decoding_is_refused_where_the_size_is_not_known(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="draft decoding needs the size"):
        Backbone.load(f"hf:{write_transformers(tmp_path, 'siglip')}", draft=True)
