"""Tokenised words: prompts that do not fit, and words a model never read."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from debias_pt.errors import DebiasWarning, UsageError
from debias_pt.utils.words import shortened

Tokenizer = Callable[[list[str]], Tensor]


def require_fit(tokenizer: Tokenizer, texts: Sequence[str]) -> Tensor:
    """Tokenise whole prompts for ``model.encode_text``, refusing any that would be truncated.

    Returns
    -------
    Tensor of int, shape (n, context length)

    Raises
    ------
    UsageError
        If a prompt has more tokens than the tower takes.
    """
    tokens = tokenizer(list(texts))
    encode = getattr(tokenizer, "encode", None)
    for text in texts:
        room = tokens.shape[1] - 2
        if encode is not None and len(encode(text)) > room:
            raise UsageError(f"the prompt {shorten(text)!r} has more than {room} tokens; shorten it")
    return tokens


def warn_unread(tower: nn.Module, tokenizer: Tokenizer, texts: Sequence[str]) -> None:
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

    if read(torch.unique(tokenizer(list(texts)))):
        return
    words = sorted({word.rstrip(".,:;!?") or word for text in texts for word in text.split()})
    unread = [word for word, row in zip(words, tokenizer(words), strict=True) if not read(row[1 : int(row.argmax())])]
    if unread:
        warnings.warn(
            f"the model never read {', '.join(map(repr, unread))} in its pretraining; its answers about such words "
            "mean little",
            DebiasWarning,
            stacklevel=3,
        )


def begins_alike(one: Tensor, other: Tensor) -> int:
    """Return how many ids two sequences ``(n,)`` and ``(m,)`` have in common from their first on.

    Examples
    --------
    >>> begins_alike(torch.tensor([3, 1, 4]), torch.tensor([3, 1, 5, 9]))
    2
    """
    length = min(len(one), len(other))
    return int((one[:length] == other[:length]).int().cumprod(dim=0).sum())


def shorten(text: str) -> str:
    """Return the first 50 letters of `text`, for messages, cut between words."""
    return shortened(text, 50)
