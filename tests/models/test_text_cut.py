"""Promises: the cut text tower equals ``model.encode_text`` in value and gradient, for any number of classes,
prompt layout and tower class; prompts that do not fit are refused."""

from __future__ import annotations

import pytest
import torch
from open_clip.model import CLIP, CustomTextCLIP

from debias_pt.errors import BackboneError, UsageError
from debias_pt.models.backbone import Backbone
from debias_pt.models.heads import PromptHead
from debias_pt.models.text import TextTower
from tests.helpers.random_models import TOKENIZER, make_backbone, names


@pytest.fixture(scope="module", params=[CLIP, CustomTextCLIP])
def any_backbone(request: pytest.FixtureRequest) -> Backbone:
    return make_backbone(request.param)


def tokens_with_context(words: str, name: str, position: str) -> str:
    before = {"end": len(words.split()), "middle": len(words.split()) // 2, "front": 0}[position]
    parts = words.split()
    return " ".join([*parts[:before], name, *parts[before:]]) + "."


@pytest.mark.parametrize("k", [1, 2, 77, 100])
@pytest.mark.parametrize("position", ["end", "middle", "front"])
def test_words_as_context_equal_encode_text(any_backbone: Backbone, k: int, position: str) -> None:
    head = PromptHead(any_backbone, names(k), context_init="a photo of a", class_position=position)
    expected = any_backbone.encode_text([tokens_with_context("a photo of a", n, position) for n in names(k)])
    with torch.no_grad():
        found = head()[0]
    assert torch.allclose(found, expected, atol=3e-6)


@pytest.mark.parametrize("k", [1, 2, 77, 100])
def test_several_runs_are_each_encoded_for_themselves(any_backbone: Backbone, k: int) -> None:
    together = PromptHead(any_backbone, names(k), seeds=[3, 4, 5], context_length=5)
    with torch.no_grad():
        found = together()
        for run, seed in enumerate([3, 4, 5]):
            alone = PromptHead(any_backbone, names(k), seeds=[seed], context_length=5)()
            assert torch.allclose(found[run], alone[0], atol=3e-6)
    assert not torch.allclose(found[0], found[1], atol=1e-3)


def test_gradient_equals_the_uncut_tower_in_float64() -> None:
    """The reference runs all 77 places of open_clip's own modules; only the cut differs."""
    backbone = make_backbone(dtype=torch.float64)
    tower = TextTower(backbone.model, TOKENIZER)
    tokens = TOKENIZER([f"a photo of a {name}." for name in names(7)])
    end = tower.end_positions(tokens)
    direction = torch.randn(7, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    gradients = []
    for cut in (True, False):
        embeddings = tower.embed(tokens).double().requires_grad_()
        if cut:
            features = tower.encode(embeddings, end)
        else:
            hidden = backbone.model.transformer(
                embeddings + backbone.model.positional_embedding, attn_mask=backbone.model.attn_mask.double()
            )
            features = backbone.model.ln_final(hidden)[torch.arange(7), end] @ backbone.model.text_projection
        (features * direction).sum().backward()
        gradients.append(embeddings.grad)
    assert torch.allclose(gradients[0], gradients[1], atol=1e-12)
    behind_the_end = torch.arange(77) > end[:, None]
    assert float(gradients[0][behind_the_end].abs().max()) == 0


def test_eos_pooled_tower_equals_encode_text() -> None:
    backbone = make_backbone(CustomTextCLIP, pool_type="eos", eos_id=TOKENIZER.eot_token_id)
    head = PromptHead(backbone, names(5), context_init="a photo of a")
    expected = backbone.encode_text([f"a photo of a {name}." for name in names(5)])
    with torch.no_grad():
        assert torch.allclose(head()[0], expected, atol=3e-6)


def test_projection_with_bias_equals_encode_text() -> None:
    backbone = make_backbone(CustomTextCLIP, proj_bias=True)
    head = PromptHead(backbone, names(3), context_init="a photo of a")
    with torch.no_grad():
        expected = backbone.encode_text([f"a photo of a {name}." for name in names(3)])
        assert torch.allclose(head()[0], expected, atol=3e-6)


def test_class_specific_context_starts_alike_and_learns_apart(any_backbone: Backbone) -> None:
    shared = PromptHead(any_backbone, names(3), seeds=[0, 1], context_length=4)
    specific = PromptHead(any_backbone, names(3), seeds=[0, 1], context_length=4, class_specific=True)
    assert specific.context.shape == (2, 3, 4, 32)
    assert torch.allclose(shared(), specific(), atol=3e-6)
    specific()[0, 1].sum().backward()
    assert specific.context.grad is not None
    touched = specific.context.grad.abs().sum(dim=(2, 3)) > 0
    assert touched.tolist() == [[False, True, False], [False, False, False]]


def test_only_the_context_is_learned(any_backbone: Backbone) -> None:
    head = PromptHead(any_backbone, names(2))
    assert [name for name, _ in head.named_parameters()] == ["context"]
    assert list(head.state_dict()) == ["context"]
    assert not any(p.requires_grad for p in any_backbone.model.parameters())


def test_a_model_without_token_embeddings_is_refused() -> None:
    class Foreign(torch.nn.Module):
        text = torch.nn.Linear(2, 2)

    with pytest.raises(BackboneError, match="Linear has no table of token embeddings"):
        TextTower(Foreign(), TOKENIZER)


def test_too_long_names_prompts_and_words_are_refused(any_backbone: Backbone) -> None:
    long = " ".join(["bird"] * 80)
    with pytest.raises(UsageError, match="75 tokens or more"):
        PromptHead(any_backbone, ["cat", long])
    with pytest.raises(UsageError, match="has 79 tokens \\(16 of context\\)"):
        PromptHead(any_backbone, [" ".join(["bird"] * 60)])
    with pytest.raises(UsageError, match="more than 75 tokens"):
        any_backbone.encode_text([long])
    with pytest.raises(UsageError, match="is 3, but 'a photo of a' has 4 tokens"):
        PromptHead(any_backbone, ["cat"], context_init="a photo of a", context_length=3)
    with pytest.raises(UsageError, match="use end, middle, front"):
        PromptHead(any_backbone, ["cat"], class_position="behind")
    with pytest.raises(UsageError, match="1 or more"):
        PromptHead(any_backbone, ["cat"], context_length=0)


def test_class_names_that_cannot_be_told_apart_are_refused(any_backbone: Backbone) -> None:
    with pytest.raises(UsageError, match="'cat' and 'Cat' are the same tokens"):
        PromptHead(any_backbone, ["cat", "dog", "Cat"])
    with pytest.raises(UsageError, match="' ' is empty"):
        PromptHead(any_backbone, ["cat", " "])


def test_the_longest_prompt_that_fits_is_exact(any_backbone: Backbone) -> None:
    name = " ".join(["bird"] * 70)
    head = PromptHead(any_backbone, [name], context_init="a photo of a")
    assert int(head.end[0]) == 76
    with torch.no_grad():
        assert torch.allclose(head()[0], any_backbone.encode_text([f"a photo of a {name}."]), atol=3e-6)
