"""What a model makes of words: one unit embedding per word, encoded in parts."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from debias_pt.datasets.attributes import TEMPLATES
from debias_pt.errors import DebiasWarning
from debias_pt.models.backbone import Backbone
from debias_pt.models.feature_backbone import FeatureBackbone
from debias_pt.models.text.tokens import require_fit

Array = NDArray[np.float64]
AT_A_TIME = 256


def embed_words(backbone: Backbone, words: Sequence[str], templates: Sequence[str] = TEMPLATES) -> Array:
    """Return unit embeddings ``(W, D)``, each the mean over the templates, as the attribute probe has them.

    Parameters
    ----------
    backbone : Backbone
        The frozen model.
    words : sequence of str
        W words or phrases.
    templates : sequence of str
        Prompts with ``{attribute}``.
    """
    total = sum(embed_prompts(backbone, [one.replace("{attribute}", word) for word in words]) for one in templates)
    found: Array = total / np.linalg.norm(total, axis=1, keepdims=True)
    return found


def embed_prompts(backbone: Backbone, texts: Sequence[str]) -> Array:
    """Return the unit embeddings of whole prompts, by a pass that leaves out padding where the tower allows it."""
    with warnings.catch_warnings():  # words that the model never read are counted instead
        warnings.simplefilter("ignore", DebiasWarning)
        parts = [_embed(backbone, texts[i : i + AT_A_TIME]) for i in range(0, len(texts), AT_A_TIME)]
    return np.concatenate(parts)


@torch.no_grad()
def _embed(backbone: Backbone, texts: Sequence[str]) -> Array:
    if isinstance(backbone, FeatureBackbone):
        return backbone.encode_text(texts).double().cpu().numpy()
    tower = backbone.text
    tokens = require_fit(tower.ids, texts)
    end = tower.end_positions(tokens)
    rows = tower.encode(tower.embed(tokens[:, : int(end.max()) + 1]), end.to(backbone.device))
    return torch.nn.functional.normalize(rows, dim=-1).double().cpu().numpy()


def were_read(backbone: Backbone, words: Sequence[str]) -> NDArray[np.bool_]:
    """Tell which words a model can know: those with a token whose embedding is zero were never in its training.

    Of features without a model, those that came along.
    """
    if isinstance(backbone, FeatureBackbone):
        return backbone.knows(words)
    tower = getattr(backbone.model, "text", backbone.model)
    if not hasattr(tower, "token_embedding"):
        return np.ones(len(words), dtype=bool)
    known = tower.token_embedding.weight.any(dim=-1).cpu()
    rows = backbone.tokenizer(list(words))
    # Only the tokens between start and end: the padding may be one that is never trained.
    inside = torch.arange(rows.shape[1]) < rows.argmax(dim=1)[:, None]
    found: NDArray[np.bool_] = (known[rows] | ~inside).all(dim=1).numpy()
    return found
