"""Tokenised words: prompts that do not fit, and words a model never read."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from torch import Tensor, nn

from debias_pt.errors import DebiasWarning, UsageError
from debias_pt.models.text.prompt_ids import PromptIds
from debias_pt.utils.words import shortened


def require_fit(ids: PromptIds, texts: Sequence[str]) -> Tensor:
    """Tokenise whole prompts for ``model.encode_text``, refusing any that would be truncated.

    Returns
    -------
    Tensor of int, shape (n, context length)

    Raises
    ------
    UsageError
        If a prompt has more tokens than the tower takes.
    """
    for text in texts:
        if len(ids.words(text)) > ids.room:
            raise UsageError(f"the prompt {shorten(text)!r} has more than {ids.room} tokens; shorten it")
    tokens: Tensor = ids.tokenizer(list(texts))
    return tokens


def warn_unread(tower: nn.Module, ids: PromptIds, texts: Sequence[str]) -> None:
    """Warn of words that a model cannot know: their tokens' embeddings are zero, as in the model ``mini``.

    Warns
    -----
    DebiasWarning
        Names the words.
    """
    if not hasattr(tower, "token_embedding"):
        return
    weight: Tensor = tower.token_embedding.weight  # type: ignore[assignment,union-attr]

    def read(tokens: Tensor) -> bool:
        return bool(weight[tokens.to(weight.device)].any(dim=-1).all())

    if all(read(ids.words(text)) for text in texts):
        return
    words = sorted({word.rstrip(".,:;!?") or word for text in texts for word in text.split()})
    unread = [word for word in words if not read(ids.words(word))]
    if unread:
        warnings.warn(
            f"the model never read {', '.join(map(repr, unread))} in its pretraining; its answers about such words "
            "mean little",
            DebiasWarning,
            stacklevel=3,
        )


def shorten(text: str) -> str:
    """Return the first 50 letters of `text`, for messages, cut between words."""
    return shortened(text, 50)
