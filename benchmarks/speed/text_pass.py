"""The text pass, forward and backward: over all 77 places, cut at end-of-text, and with the prefix shared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import open_clip
import torch
from open_clip.transformer import TextTransformer
from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES
from torch import Tensor, nn

from debias_pt.models.text import TextTower, Tokenizer

from .case import SpeedCase
from .timing import compare, section

CLASSES = (2, 10, 100, 1000)
QUICK = (2, 10)
# For more classes than these, all 77 places take minutes and show nothing new.
FULL_UP_TO = 100
CONTEXT_LENGTH = 16
# Whole sequences of many classes do not fit into memory; since the loss is a sum over classes, they need not.
PART = 50

Pass = Callable[[Tensor], list[Tensor]]


@dataclass(frozen=True)
class Prompts:
    """Prompts of K classes behind one learned context.

    Attributes
    ----------
    start : Tensor, shape (1, width)
    suffix : Tensor, shape (K, S, width)
    end : Tensor of int, shape (K,)
        Place of end-of-text in each suffix.
    """

    start: Tensor
    suffix: Tensor
    end: Tensor


def measure(case: SpeedCase) -> list[dict[str, Any]]:
    """Time the passes of the case's own model and of ViT-B/32's text tower with random weights."""
    classes = QUICK if case.quick else CLASSES
    own = text_pass(case.backbone.model, case.backbone.tokenizer, classes=classes, rounds=case.rounds)
    parts = [(case.backbone.name, own)]
    if not case.random_weights and case.backbone.device.type == "cpu":
        parts.append(
            ("ViT-B-32 (random weights)", text_pass(*random_text_tower(), classes=classes, rounds=case.rounds))
        )
    return [{**part, "title": f"{part['title']}, {name}"} for name, found in parts for part in found]


def random_text_tower(model: str = "ViT-B-32") -> tuple[nn.Module, Tokenizer]:
    """Return a model's text tower with random weights, frozen, and its tokenizer."""
    config = open_clip.get_model_config(model)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        tower = TextTransformer(output_dim=config["embed_dim"], **config["text_cfg"])
    return tower.eval().requires_grad_(False), open_clip.get_tokenizer(model)


def text_pass(
    model: nn.Module, tokenizer: Tokenizer, *, classes: Sequence[int] = CLASSES, rounds: int = 5
) -> list[dict[str, Any]]:
    """Time the passes for the first K class names of ImageNet behind 16 context vectors.

    Parameters
    ----------
    model : nn.Module
        A frozen CLIP model or its text tower.
    tokenizer : callable
        That belongs to it.
    classes : sequence of int
        The K to measure.
    rounds : int
        How often each is timed.

    Returns
    -------
    list of dict
        A section for each K: seconds of all 77 tokens (to K = 100), the cut and the shared prefix; and how far values
        and the context's gradient are from the first's.
    """
    tower = TextTower(model, tokenizer)
    if not tower.shares_prefix:
        raise ValueError("this text tower uses the cut pass; there is no shared pass to time")
    return [_section(model, tower, count, rounds) for count in classes]


def _section(model: nn.Module, tower: TextTower, count: int, rounds: int) -> dict[str, Any]:
    prompts = make_prompts(tower, IMAGENET_CLASSNAMES[:count])
    passes = {f"all {tower.context_length} tokens": _full(model, prompts)} if count <= FULL_UP_TO else {}
    passes |= {"cut at end-of-text": _cut(tower, prompts), "shared prefix": shared_pass(tower, prompts)}
    generator = torch.Generator().manual_seed(0)
    context = (torch.randn(CONTEXT_LENGTH, tower.width, generator=generator) * 0.02).to(prompts.suffix.device)
    steps = {name: context_step(run, context) for name, run in passes.items()}
    if context.is_cuda:
        steps["shared prefix, CUDA graph"] = _graph(passes["shared prefix"], context)
    baseline = next(iter(steps))
    differences = _differences({name: step() for name, step in steps.items()}, baseline)
    shared = differences["shared prefix"]
    note = (
        f"forward and backward, {CONTEXT_LENGTH} context vectors; the shared prefix is within "
        f"{shared['largest_difference']:.1g} of the first row in every value, its gradient within "
        f"{shared['relative_gradient_difference']:.1g}, relative"
    )
    return section(
        f"Text pass, {count} classes",
        compare(steps, rounds),
        baseline,
        note=note,
        classes=count,
        suffix_tokens=int((prompts.end + 1).sum()),
        longest_prompt=CONTEXT_LENGTH + 2 + int(prompts.end.max()),
        equal=differences,
    )


def make_prompts(tower: TextTower, names: Sequence[str]) -> Prompts:
    """Return the prompts of some class names, each with a full stop."""
    start, end = tower.start_and_end()
    rows = [torch.cat([tower.tokenize(name), tower.tokenize("."), end]) for name in names]
    suffix = tower.embed(nn.utils.rnn.pad_sequence(rows, batch_first=True))
    return Prompts(tower.embed(start), suffix, torch.tensor([len(row) - 1 for row in rows]))


def _full(model: nn.Module, prompts: Prompts) -> Pass:
    """Prepare what ``model.encode_text`` does once the tokens are looked up."""
    tower: Any = getattr(model, "text", model)

    def encode(embeddings: Tensor, end: Tensor) -> Tensor:
        short = tower.context_length - embeddings.shape[1]
        hidden = nn.functional.pad(embeddings, (0, 0, 0, short)) + tower.positional_embedding
        hidden = tower.ln_final(tower.transformer(hidden, attn_mask=tower.attn_mask))
        pooled, projection = hidden[torch.arange(len(end)), end], tower.text_projection
        return torch.as_tensor(projection(pooled) if isinstance(projection, nn.Linear) else pooled @ projection)

    return _whole(encode, prompts)


def _cut(tower: TextTower, prompts: Prompts) -> Pass:
    return _whole(tower.encode, prompts)


def _whole(encode: Callable[[Tensor, Tensor], Tensor], prompts: Prompts) -> Pass:
    def run(context: Tensor) -> list[Tensor]:
        features = []
        for suffix, end in zip(torch.split(prompts.suffix, PART), torch.split(prompts.end, PART), strict=True):
            prefix = torch.cat([prompts.start, context]).expand(len(suffix), -1, -1)
            places = (end + prefix.shape[1]).to(suffix.device)
            features.append(_backward(encode(torch.cat([prefix, suffix], dim=1), places)))
        return features

    return run


def shared_pass(tower: TextTower, prompts: Prompts) -> Pass:
    """Prepare the pass that encodes what all classes share once."""

    def run(context: Tensor) -> list[Tensor]:
        prefix = torch.cat([prompts.start, context])[None]
        return [_backward(tower.encode_shared(prefix, prompts.suffix, prompts.end)[0])]

    return run


def _backward(features: Tensor) -> Tensor:
    """Send back a gradient that differs for every class and dimension."""
    unit = nn.functional.normalize(features, dim=-1)
    torch.autograd.backward(unit.pow(3).sum())
    return unit.detach()


def context_step(run: Pass, first: Tensor) -> Callable[[], tuple[Tensor, Tensor]]:
    """Prepare a call that runs a pass and returns its features, and the gradient of the context."""

    def step() -> tuple[Tensor, Tensor]:
        context = first.clone().requires_grad_()
        features = torch.cat(run(context))
        assert context.grad is not None
        return features, context.grad

    return step


def _graph(run: Pass, first: Tensor) -> Callable[[], tuple[Tensor, Tensor]]:
    """Record a step once and replay it: what a pass costs without the time to launch its kernels one by one."""
    context = first.clone().requires_grad_()
    context.grad = torch.zeros_like(context)
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    with torch.cuda.stream(side):
        for _ in range(3):
            run(context)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        context.grad.zero_()
        found = torch.cat(run(context))

    def step() -> tuple[Tensor, Tensor]:
        graph.replay()
        assert context.grad is not None
        return found, context.grad

    return step


def _differences(results: dict[str, tuple[Tensor, Tensor]], baseline: str) -> dict[str, dict[str, float]]:
    values, gradient = results[baseline]
    return {
        name: {
            "largest_difference": float((found - values).abs().max()),
            "relative_gradient_difference": float((slope - gradient).norm() / gradient.norm()),
        }
        for name, (found, slope) in results.items()
    }
