"""CoOp's prompts from its definition: all 77 places, one class after another, torch only for the tower."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from debias_pt.models.backbone import Backbone
from debias_pt.models.heads import PromptHead
from debias_pt.models.zero_shot import zero_shot_weights

LENGTH = 6
NAMES = ["landbird", "kite (bird)", "what?", "a very small water bird", "Mr."]
PLAIN_NAMES = ["landbird", "a very small water bird", "dog"]  # whose tokens do not merge with a full stop


def token_ids(backbone: Backbone, text: str) -> list[int]:
    row = backbone.tokenizer([text])[0].tolist()
    return row[1 : row.index(max(row))]


def encode(backbone: Backbone, rows: Tensor, end: int) -> Tensor:
    """Encode one prompt ``(77, width)`` as CLIP's text tower does, read out at its end."""
    model: Any = backbone.model
    hidden = model.transformer((rows + model.positional_embedding)[None], attn_mask=model.attn_mask)
    feature = model.ln_final(hidden)[0, end] @ model.text_projection
    return feature / feature.norm()


def class_weight(backbone: Backbone, context: Tensor, name: str, position: str) -> Tensor:
    model: Any = backbone.model
    start, end = backbone.tokenizer([""])[0, :2].tolist()
    words = token_ids(backbone, name + ".")
    alone = len(token_ids(backbone, name))
    cut = {"end": LENGTH, "middle": LENGTH // 2, "front": 0}[position]

    def embed(ids: list[int]) -> Tensor:
        return torch.as_tensor(model.token_embedding.weight[torch.tensor(ids, dtype=torch.long)])

    parts = [embed([start]), context[:cut], embed(words[:alone]), context[cut:], embed([*words[alone:], end])]
    prompt = torch.cat(parts)
    padded = torch.cat([prompt, embed([0] * (model.context_length - len(prompt)))])
    return encode(backbone, padded, len(prompt) - 1)


def coop(backbone: Backbone) -> tuple[float, float]:
    """Return the largest differences of logits and of the context's gradient, over positions and contexts."""
    features = torch.nn.functional.normalize(
        torch.randn(7, backbone.dim, generator=torch.Generator().manual_seed(0)), dim=1
    )
    of_logits, of_gradient = [0.0], [0.0]
    for position in ("end", "middle", "front"):
        names = NAMES if position == "end" else PLAIN_NAMES
        y = torch.arange(7) % len(names)
        for own in (False, True):
            head = PromptHead(
                backbone, names, seeds=[3], context_length=LENGTH, class_position=position, class_specific=own
            )
            logits = head.logits(head(), features)[0]
            torch.nn.functional.cross_entropy(logits, y).backward()
            context = head.context.detach()[0].clone().requires_grad_(True)
            contexts = context if own else context.expand(len(names), -1, -1)
            rows = [class_weight(backbone, one, name, position) for one, name in zip(contexts, names, strict=True)]
            plain = backbone.logit_scale * features @ torch.stack(rows).T
            torch.nn.functional.cross_entropy(plain, y).backward()
            assert context.grad is not None
            assert head.context.grad is not None
            of_logits.append(float((plain - logits).detach().abs().max()))
            of_gradient.append(float((context.grad - head.context.grad[0]).abs().max()))
    return max(of_logits), max(of_gradient)


def logits(backbone: Backbone) -> float:
    return coop(backbone)[0]


def gradient(backbone: Backbone) -> float:
    return coop(backbone)[1]


def starts(backbone: Backbone) -> float:
    """One minus the smallest cosine of a head started from words to the zero-shot weights of the same words."""
    worst = 0.0
    templates = {"end": "a photo of a {}.", "middle": "a photo {} of a.", "front": "{} a photo of a."}
    for position, template in templates.items():
        head = PromptHead(backbone, NAMES, context_init="a photo of a", class_position=position)
        cosine = (head()[0] * zero_shot_weights(backbone, NAMES, template)).sum(dim=-1)
        worst = max(worst, float(1 - cosine.detach().min()))
    return worst
