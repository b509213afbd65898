"""Promises: the shared prefix gives what the joined sequences and ``model.encode_text`` give, in value and in gradient
to prefix, suffix and weights, for any lengths, runs and known tower; in parts it gives the same as at once; a tower
that is not known by heart, and prompts that do not begin alike, take the cut."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import open_clip
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip.model import CLIP, CustomTextCLIP
from torch import Tensor, nn

from debias_pt.models.heads import PromptHead
from debias_pt.models.text import TextTower
from debias_pt.models.text import shared_prefix as budget
from debias_pt.models.text import shared_prefix as layers
from debias_pt.models.text.shared_prefix import Ragged
from tests.helpers.random_models import TOKENIZER, make_backbone, names

TOWERS: dict[str, tuple[type[nn.Module], dict[str, Any]]] = {
    "CLIP": (CLIP, {}),
    "CustomTextCLIP": (CustomTextCLIP, {}),
    "quick_gelu": (CLIP, {"quick_gelu": True}),
    "layer scale": (CLIP, {"text_cfg": {"ls_init_value": 0.3}}),
    "no projection": (CustomTextCLIP, {"text_cfg": {"proj_type": "none"}, "embed_dim": 32}),
    "linear projection": (CustomTextCLIP, {"text_cfg": {"proj_bias": True}}),
    "eos": (CustomTextCLIP, {"text_cfg": {"pool_type": "eos", "eos_id": TOKENIZER.eot_token_id}}),
}


def make_tower(kind: type[nn.Module] = CLIP, *, spread: float = 5.0, **config: Any) -> TextTower:
    """A small tower in float64 with weights large enough for attention to be far from even."""
    text = {
        "context_length": 77,
        "vocab_size": 49408,
        "width": 32,
        "heads": 2,
        "layers": 3,
        **config.pop("text_cfg", {}),
    }
    vision = {"image_size": 32, "layers": 1, "width": 32, "patch_size": 32, "head_width": 16}
    with torch.random.fork_rng():
        torch.manual_seed(2)
        model = kind(**{"embed_dim": 24, "vision_cfg": vision, "text_cfg": text, **config}).double().eval()
        for name, weight in model.named_parameters():
            if "attn.in_proj" in name:
                nn.init.normal_(weight, std=spread * 32**-0.5)
    model.requires_grad_(False)
    return TextTower(model, TOKENIZER)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def joined(tower: TextTower, prefix: Tensor, suffix: Tensor, end: Tensor) -> Tensor:
    """The reference: every run's and class's whole sequence in open_clip's own modules, all 77 places filled up."""
    model: Any = tower._tower
    rows, places = [], []
    for run, begun in enumerate(prefix):
        for each, stop in enumerate(end.tolist()):
            row = torch.cat([begun, suffix[each] if suffix.dim() == 3 else suffix[run, each]])
            rows.append(nn.functional.pad(row, (0, 0, 0, 77 - len(row))) + model.positional_embedding)
            places.append(len(begun) + stop)
    hidden = model.transformer(torch.stack(rows), attn_mask=model.attn_mask)
    features, projection = model.ln_final(hidden)[torch.arange(len(rows)), places], model.text_projection
    if projection is not None:
        features = projection(features) if isinstance(projection, nn.Linear) else features @ projection
    return torch.as_tensor(features).view(len(prefix), len(end), -1)


def value_and_gradients(call: Callable[..., Tensor], *inputs: Tensor) -> list[Tensor]:
    leaves = [each.detach().clone().requires_grad_() for each in inputs]
    features = call(*leaves)
    loss = (nn.functional.normalize(features, dim=-1) * draw(*features.shape, seed=9)).sum()
    return [features.detach(), *torch.autograd.grad(loss, leaves)]


def require_equal(found: list[Tensor], expected: list[Tensor], tolerance: float = 1e-10) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        assert float(other.abs().max()) > 1e-3
        assert torch.allclose(one, other, rtol=0, atol=tolerance * float(other.abs().max()))


@pytest.mark.parametrize("kind", list(TOWERS))
@pytest.mark.parametrize("own", [False, True], ids=["suffix for all runs", "suffix of each run"])
def test_every_known_tower_equals_the_whole_sequences_in_float64(kind: str, own: bool) -> None:
    model, config = TOWERS[kind]
    tower = make_tower(model, **config)
    assert tower.shares_prefix
    end = torch.tensor([3, 1, 4, 1, 0, 5])
    prefix, suffix = draw(2, 4, 32), draw(*([2] if own else []), 6, 7, 32, seed=1)
    found = value_and_gradients(lambda p, s: tower.encode_shared(p, s, end), prefix, suffix)
    require_equal(found, value_and_gradients(lambda p, s: joined(tower, p, s, end), prefix, suffix))
    behind = torch.arange(7) > end[:, None]
    assert float(found[2][..., behind, :].abs().max()) == 0


@settings(max_examples=12, deadline=None)
@given(
    ends=st.lists(st.integers(0, 9), min_size=1, max_size=8),
    length=st.integers(1, 20),
    runs=st.integers(1, 3),
    spare=st.integers(0, 2),
    limit=st.integers(1, 2000) | st.none(),
)
def test_any_lengths_equal_the_cut(ends: list[int], length: int, runs: int, spare: int, limit: int | None) -> None:
    tower, end = FIXED, torch.tensor(ends)
    prefix, suffix = draw(runs, length, 32), draw(len(ends), max(ends) + 1 + spare, 32, seed=1)

    def shared(p: Tensor, s: Tensor) -> Tensor:
        return tower.encode_shared(p, s, end)

    with pytest.MonkeyPatch.context() as patch:
        if limit is not None:
            patch.setattr(layers.encode_suffixes, "__kwdefaults__", {"budget": limit * 1000})
        found = value_and_gradients(shared, prefix, suffix)
    require_equal(found, value_and_gradients(lambda p, s: tower._encode_joined(p, s, end), prefix, suffix))


FIXED = make_tower()


@pytest.mark.parametrize("k", [1, 2, 77, 100])
@pytest.mark.parametrize("runs", [1, 3])
@pytest.mark.parametrize("kind", [CLIP, CustomTextCLIP])
def test_prompt_head_takes_it_and_equals_its_own_cut(
    k: int, runs: int, kind: type[nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    head = PromptHead(make_backbone(kind), names(k), seeds=list(range(runs)))
    assert head.text_pass == "shared"
    direction = draw(runs, k, 24).float()
    shared = head()
    (gradient,) = torch.autograd.grad((shared * direction).sum(), head.context)
    monkeypatch.setattr(TextTower, "shares_prefix", False)
    assert head.text_pass == "cut"
    cut = head()
    (expected,) = torch.autograd.grad((cut * direction).sum(), head.context)
    assert torch.allclose(shared, cut, atol=3e-6)
    assert float((gradient - expected).norm() / expected.norm()) < 3e-6


def test_encode_text_s_gradient_reaches_the_context_words() -> None:
    """The model's own ``encode_text``, its gradient taken at the embedding table's output."""
    tower = make_tower(text_cfg={"vocab_size": 49408})
    tokens = TOKENIZER([f"a photo of a {name}." for name in names(9)])
    end = tower.end_positions(tokens) - 5
    words = tower._tower.token_embedding(tokens)
    outputs: list[Tensor] = []

    def keep(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        outputs.append(output.detach().requires_grad_())
        return outputs[-1]

    hook = tower._tower.token_embedding.register_forward_hook(keep)
    expected = tower._tower.encode_text(tokens)
    hook.remove()
    direction = draw(9, 24)
    (whole,) = torch.autograd.grad((expected * direction).sum(), outputs)
    prefix = words[:1, :5].clone().requires_grad_()
    suffix = words[:, 5:].clone().requires_grad_()
    found = tower.encode_shared(prefix, suffix, end)
    parts = torch.autograd.grad((found[0] * direction).sum(), [prefix, suffix])
    require_equal([found[0].detach(), *parts], [expected.detach(), whole[:, :5].sum(dim=0, keepdim=True), whole[:, 5:]])


def test_gradient_reaches_the_tower_s_weights() -> None:
    end, prefix, suffix = torch.tensor([2, 0, 3]), draw(2, 4, 32), draw(3, 5, 32, seed=1)
    tower = make_tower()
    weights = [*tower._tower.transformer.parameters(), tower._tower.positional_embedding, tower._tower.ln_final.weight]
    for weight in weights:
        weight.requires_grad_()
    direction = draw(2, 3, 24)
    found = torch.autograd.grad((tower.encode_shared(prefix, suffix, end) * direction).sum(), weights)
    expected = torch.autograd.grad((joined(tower, prefix, suffix, end) * direction).sum(), weights)
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, rtol=0, atol=1e-10)


def test_in_parts_it_is_the_same_and_takes_less(monkeypatch: pytest.MonkeyPatch) -> None:
    end, prefix, suffix = torch.arange(40) % 5, draw(2, 4, 32), draw(40, 5, 32, seed=1)
    results, kept = [], []
    for limit in (1 << 30, 1 << 20):
        monkeypatch.setattr(layers.encode_suffixes, "__kwdefaults__", {"budget": limit})
        results.append(value_and_gradients(lambda p, s: FIXED.encode_shared(p, s, end), prefix, suffix))
        kept.append(kept_bytes(lambda: FIXED.encode_shared(prefix.requires_grad_(), suffix, end)))
    require_equal(results[1], results[0], tolerance=1e-13)
    assert kept[1] < kept[0] / 3


def test_a_tower_in_training_is_not_recomputed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers.encode_suffixes, "__kwdefaults__", {"budget": 1})
    monkeypatch.setattr(layers, "_recomputed", lambda *_: pytest.fail("recomputed"))
    tower = make_tower()
    tower._tower.transformer.resblocks[1].ln_1.weight.requires_grad_()
    tower.encode_shared(draw(1, 4, 32), draw(3, 5, 32), torch.tensor([2, 0, 3])).sum().backward()
    with torch.no_grad():
        FIXED.encode_shared(draw(1, 4, 32), draw(3, 5, 32), torch.tensor([2, 0, 3]))


@pytest.mark.parametrize("kind", ["CLIP", "quick_gelu"])
def test_the_estimate_is_on_the_high_side_of_what_is_kept(kind: str) -> None:
    model, config = TOWERS[kind]
    tower = make_tower(model, **config)
    end, prefix, suffix = torch.arange(60) % 4 + 1, draw(2, 17, 32).requires_grad_(), draw(60, 5, 32)
    tokens = int((end + 1).sum())
    estimate = tokens * layers._bytes_per_token(tower._tower.transformer, prefix, 5)
    kept = kept_bytes(lambda: tower.encode_shared(prefix, suffix, end))
    assert kept < estimate < 2.5 * kept


def kept_bytes(call: Callable[[], Tensor]) -> int:
    """Bytes of activations that a call leaves behind for its backward pass, each storage once."""
    weights = {weight.untyped_storage().data_ptr() for weight in FIXED._tower.parameters()}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, nn.Parameter) and tensor.untyped_storage().data_ptr() not in weights:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        features = call()
    assert features.requires_grad
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=60),
    token=st.integers(1, 100),
    limit=st.integers(1, 10_000),
)
def test_parts_cover_all_classes_in_order_and_keep_to_the_budget(lengths: list[int], token: int, limit: int) -> None:
    parts = budget.split_classes(lengths, token, limit)
    assert [place for part in parts for place in range(len(lengths))[part]] == list(range(len(lengths)))
    for part in parts:
        own = lengths[part]
        assert len(own) == 1 or sum(own) * token <= limit + max(lengths) * token


def test_packed_sequences_lie_as_the_plain_loop_says() -> None:
    layout = Ragged.of([2, 0, 1], [1, 3, 3], 4, torch.device("cpu"))
    assert layout.index.tolist() == [8, 0, 1, 2, 4, 5, 6]
    assert layout.last.tolist() == [0, 3, 6]
    assert layout.buckets == ((1, 1), (2, 3))


def test_a_first_call_in_inference_mode_does_not_spoil_training() -> None:
    end, prefix, suffix = torch.tensor([1, 2, 6]), draw(1, 3, 32), draw(3, 7, 32, seed=1)
    with torch.inference_mode():
        first = FIXED.encode_shared(prefix, suffix, end)
    again = FIXED.encode_shared(prefix.requires_grad_(), suffix.requires_grad_(), end)
    again.sum().backward()
    assert torch.equal(first, again)


def replace_linear(block: Any) -> None:
    class Adapter(nn.Linear):
        def forward(self, rows: Tensor) -> Tensor:
            return super().forward(rows) * 2

    adapter = Adapter(32, 128).double().requires_grad_(False)
    adapter.load_state_dict(block.mlp.c_fc.state_dict())
    block.mlp.c_fc = adapter


def replace_forward(block: Any) -> None:
    own = block.forward
    block.forward = lambda *args, **kwargs: own(*args, **kwargs) * 2


CHANGES: dict[str, Callable[[Any], object]] = {
    "hook": lambda block: block.ln_2.register_forward_hook(lambda module, inputs, output: output * 2),
    "hook before": lambda block: block.attn.register_forward_pre_hook(lambda module, inputs: None),
    "another linear": replace_linear,
    "another forward": replace_forward,
    "an extra part": lambda block: block.add_module("adapter", nn.Identity()),
    "another activation": lambda block: setattr(block.mlp, "gelu", nn.ReLU()),
    "parametrization": lambda block: nn.utils.parametrizations.weight_norm(block.mlp.c_proj),
    "zero attention": lambda block: setattr(block.attn, "add_zero_attn", True),
    "dropout": lambda block: setattr(block.attn, "dropout", 0.1),
}


@pytest.mark.parametrize("change", list(CHANGES))
def test_a_changed_block_takes_the_cut_and_stays_exact(change: str) -> None:
    tower = make_tower()
    CHANGES[change](tower._tower.transformer.resblocks[1])
    assert not tower.shares_prefix
    end, prefix, suffix = torch.tensor([3, 1]), draw(2, 4, 32), draw(2, 5, 32, seed=1)
    found = value_and_gradients(lambda p, s: tower.encode_shared(p, s, end), prefix, suffix)
    require_equal(found, value_and_gradients(lambda p, s: joined(tower, p, s, end), prefix, suffix))


@pytest.mark.parametrize(
    "text", [{"qk_norm": True}, {"scale_heads": True}, {"scale_fc": True}, {"block_type": "custom"}]
)
def test_custom_blocks_take_the_cut(text: dict[str, Any]) -> None:
    tower = make_tower(text_cfg=text)
    assert not tower.shares_prefix
    end, prefix, suffix = torch.tensor([3, 1]), draw(2, 4, 32), draw(2, 2, 5, 32, seed=1)
    found = value_and_gradients(lambda p, s: tower.encode_shared(p, s, end), prefix, suffix)
    require_equal(found, value_and_gradients(lambda p, s: joined(tower, p, s, end), prefix, suffix))


def test_checkpointed_layers_and_another_mask_are_not_known() -> None:
    tower = make_tower()
    tower._tower.transformer.grad_checkpointing = True
    assert not tower.shares_prefix
    tower = make_tower()
    tower._tower.attn_mask[5, 2] = float("-inf")
    assert not TextTower(tower._tower, TOKENIZER).shares_prefix


@pytest.mark.parametrize(
    "options", [{"class_specific": True}, {"class_position": "middle"}, {"class_position": "front"}]
)
def test_prompts_that_do_not_begin_alike_take_the_cut(options: dict[str, Any]) -> None:
    head = PromptHead(make_backbone(), names(2), context_length=4, **options)
    assert head.text_pass == "cut"
    assert head().shape == (1, 2, 24)


def test_few_prompts_on_a_gpu_take_the_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shared pass starts too many kernels there; the class weights and the context's gradient are the same."""
    head = PromptHead(make_backbone(), names(3), seeds=[0, 1])
    direction = draw(2, 3, 24).float()
    shared = head()
    (expected,) = torch.autograd.grad((shared * direction).sum(), head.context)
    with monkeypatch.context() as patch:
        patch.setattr(torch.Tensor, "is_cuda", True)
        assert head.text_pass == "cut"
        patch.setattr("debias_pt.models.heads.prompt.FEW_ON_GPU", 5)
        assert head.text_pass == "shared"
    monkeypatch.setattr(head, "_waits_for_launches", lambda: True)
    cut = head()
    (gradient,) = torch.autograd.grad((cut * direction).sum(), head.context)
    assert torch.allclose(cut, shared, atol=3e-6)
    assert torch.allclose(gradient, expected, rtol=1e-3, atol=1e-5)


def test_a_changed_tower_in_use_is_noticed() -> None:
    backbone = make_backbone()
    head = PromptHead(backbone, names(3), context_length=4)
    before = head().detach()
    backbone.model.transformer.resblocks[0].mlp.register_forward_hook(lambda module, inputs, output: output * 2)
    assert head.text_pass == "cut"
    assert not torch.allclose(head(), before, atol=1e-3)


def test_open_clip_builds_the_blocks_we_know() -> None:
    """A new open_clip that changes its block must not pass unseen: every stock CLIP would silently take the cut."""
    assert open_clip.transformer.ResidualAttentionBlock is type(FIXED._tower.transformer.resblocks[0])
    assert FIXED.shares_prefix
    assert make_backbone().text.shares_prefix
