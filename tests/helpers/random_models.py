"""Small models with random weights, and names for their classes."""

from __future__ import annotations

import open_clip
import torch
from open_clip.model import CLIP

from debias_pt.models.backbone import Backbone
from tests.helpers.tiny_data import MODEL

TOKENIZER = open_clip.SimpleTokenizer()
WORDS = ("gull", "sandpiper", "pileated woodpecker", "cat", "Christmas stocking", "x-ray", "a very long bird name")


def names(k: int) -> list[str]:
    return [f"{WORDS[i % len(WORDS)]} {i}" for i in range(k)]


def make_backbone(kind: type[torch.nn.Module] = CLIP, dtype: torch.dtype = torch.float32, **text: object) -> Backbone:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = kind(**{**MODEL, "text_cfg": {**MODEL["text_cfg"], **text}})
    return Backbone(model.to(dtype), TOKENIZER, lambda image: torch.zeros(3, 32, 32), name="random")
