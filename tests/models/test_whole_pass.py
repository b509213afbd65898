"""Promises: a prompt through any text tower equals its own ``encode_text``, whatever its tokenizer and masks."""

from __future__ import annotations

from pathlib import Path

import open_clip
import pytest
import torch
from open_clip.model import CLIP

from debias_pt.errors import UsageError
from debias_pt.models.backbone import Backbone
from debias_pt.models.heads import ClassTokenHead, PromptHead, TextEncoderHead
from debias_pt.models.text import PromptIds, require_fit
from studies.model_coverage.architectures import check
from studies.model_coverage.page import examine
from studies.model_coverage.small_tokenizers import write_tokenizer
from studies.model_coverage.stand_ins import small_config, stand_in
from tests.helpers.tiny_data import MODEL

NAMES = ("cat", "kite (bird)", "x-ray")
# One of each kind of text tower and tokenizer; the others differ in size only.
KINDS = {
    "ViT-B-32": "shared",
    "ViT-B-16-SigLIP": "whole",
    "ViT-SO400M-16-SigLIP-i18n-256": "whole",
    "ViT-B-16-SigLIP2": "whole",
    "ViT-L-14-CLIPA": "whole",
    "coca_ViT-B-32": "whole",
    "coca_roberta-ViT-B-32": "cut",
    "MobileCLIP2-S0": "whole",
    "ViT-L-14-worldwide": "shared",
    "ViT-H-14-worldwide": "shared",
    "roberta-ViT-B-32": "cut",
    "xlm-roberta-base-ViT-B-32": "cut",
    "mt5-base-ViT-B-32": "cut",
    "nllb-clip-base-siglip": "cut",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("transformers")
    return tmp_path_factory.mktemp("stand-ins")


@pytest.mark.parametrize("name", list(KINDS))
def test_each_kind_of_tower_is_exact(name: str, folder: Path) -> None:
    found = check(stand_in(name, folder), small_config(name, folder), rounds=0)
    assert found.holds, found
    assert found.text_pass == KINDS[name]


@pytest.mark.parametrize("every", [48, pytest.param(1, marks=pytest.mark.all_models)])
def test_architectures_and_their_weights_hold(every: int, folder: Path, pytestconfig: pytest.Config) -> None:
    """Some of what docs/models.md lists; all of it takes minutes."""
    if every == 1 and "all_models" not in pytestconfig.getoption("-m"):
        pytest.skip("takes minutes; run it with -m all_models")
    names = open_clip.list_models()[5::every] if every > 1 else open_clip.list_models()
    findings, pairs = examine(names, folder, rounds=0)
    assert [one for one in [*findings, *pairs] if not one.holds] == []
    assert len(findings) == len(names)
    assert pairs
    if every == 1:
        assert len(pairs) == len(open_clip.list_pretrained())


def test_the_whole_pass_s_gradient_is_that_of_the_cut_pass(backbone: Backbone) -> None:
    """The same prompts in two ways: through open_clip's layers, and through ``encode_text`` itself."""
    tower = backbone.text
    tokens = backbone.tokenizer([f"a photo of a {name}." for name in NAMES])
    end = tower.end_positions(tokens)
    gradients = []
    for encode in (tower.encode, tower.encode_whole):
        embeddings = tower.embed(tokens)[:, : int(end.max()) + 1].requires_grad_()
        encode(embeddings, end).square().sum().backward()
        gradients.append(embeddings.grad)
    assert float((gradients[0] - gradients[1]).norm() / gradients[0].norm()) < 1e-6


def test_nothing_stays_on_the_table_of_embeddings(folder: Path) -> None:
    backbone = stand_in("ViT-B-16-SigLIP2", folder)
    before = backbone.encode_text(["a cat"])
    with pytest.raises(RuntimeError):
        backbone.text.encode(torch.zeros(1, 3, 5), torch.tensor([2]))  # of another width
    assert torch.equal(backbone.encode_text(["a cat"]), before)


@pytest.mark.parametrize(
    ("kind", "starts", "ends"),
    [
        ("word-piece", 1, 1),
        ("byte-pairs", 1, 1),
        ("byte-pairs of CLIP", 1, 1),
        ("byte-fallback", 0, 1),
        ("sentence-piece", 1, 1),
        ("sentence-piece without start", 0, 1),
        ("sentence-piece padded with end", 0, 1),
        ("language", 1, 1),
    ],
)
def test_start_and_end_are_read_off_the_tokenizer(kind: str, starts: int, ends: int, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    write_tokenizer(kind, tmp_path)
    own = transformers.AutoTokenizer.from_pretrained(tmp_path)
    ids = PromptIds(open_clip.tokenizer.HFTokenizer(str(tmp_path), context_length=20))
    assert (len(ids.start), len(ids.end), ids.room) == (starts, ends, 20 - starts - ends)
    for text in ("a photo of a cat.", "kite (bird)", "x-ray"):
        assert ids.words(text).tolist() == own(text, add_special_tokens=False).input_ids


def test_words_are_tokenised_as_they_stand_in_the_prompt(tmp_path: Path) -> None:
    """SentencePiece writes a lone full stop as two tokens, and byte pairs a first word without its space."""
    for kind in ("sentence-piece", "byte-pairs"):
        write_tokenizer(kind, tmp_path / kind)
        ids = PromptIds(open_clip.tokenizer.HFTokenizer(str(tmp_path / kind), context_length=20))
        sentence = ids.words("a cat.").tolist()
        assert [*ids.words("a").tolist(), *ids.words(" cat", "a").tolist(), *ids.words(".", "a").tolist()] == sentence
        apart = [ids.words(part).tolist() for part in ("a", "cat", ".")]
        assert [token for part in apart for token in part] != sentence


def test_a_prompt_that_would_be_cut_is_refused_whatever_the_tokenizer(folder: Path) -> None:
    for name, room in (("ViT-SO400M-14-SigLIP", 15), ("roberta-ViT-B-32", 75), ("ViT-L-14-CLIPA", 30)):
        backbone = stand_in(name, folder)
        long = " ".join(["bird"] * 100)
        with pytest.raises(UsageError, match=f"more than {room} tokens"):
            backbone.encode_text([long])
        with pytest.raises(UsageError, match=f"{room} tokens or more"):
            PromptHead(backbone, ["cat", long], context_length=2)
    words = " ".join(["a"] * 15)
    assert require_fit(PromptIds(stand_in("ViT-SO400M-14-SigLIP", folder).tokenizer), [words]).shape == (1, 16)


def test_lora_adapters_take_prompts_and_stay_frozen() -> None:
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(r=2, target_modules=["c_fc", "c_proj", "out_proj"], init_lora_weights=False)
    torch.manual_seed(0)
    model = CLIP(**MODEL)
    plain = Backbone(model, open_clip.SimpleTokenizer(), lambda image: torch.zeros(3, 32, 32), name="plain")
    before, digest = plain.encode_text([f"a photo of a {name}." for name in NAMES]), plain.fingerprint["weights"]
    adapted = Backbone(
        peft.get_peft_model(model, config), plain.tokenizer, lambda image: torch.zeros(3, 32, 32), name="lora"
    )
    expected = adapted.encode_text([f"a photo of a {name}." for name in NAMES])
    assert not torch.allclose(expected, before, atol=1e-2)
    assert adapted.fingerprint["weights"] != digest
    for head in (
        PromptHead(adapted, NAMES, context_init="a photo of a"),
        ClassTokenHead(adapted, NAMES),
        TextEncoderHead(adapted, NAMES),
    ):
        weights = head()
        assert torch.allclose(weights[0].detach(), expected, atol=1e-5)
        weights[0, 0, 0].backward()
    assert not any("visual" in name for name, _ in head.named_parameters())
    assert PromptHead(adapted, NAMES).text_pass == "cut"
    assert all(parameter.grad is None for parameter in adapted.model.parameters())
    assert adapted.encode_images(torch.zeros(2, 3, 32, 32)).shape == (2, 24)
