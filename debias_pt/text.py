"""The exact prompt encoder: open_clip's native text transformer, cut at the last end-of-text token.

In a causal tower that is read out at end-of-text, a token never sees what follows it. Everything
behind the last end-of-text token of a batch can therefore be left away without changing a single
feature; the class names in use fill 7 to 25 of the 77 places. :class:`TextTower` checks that the
tower is of that kind and refuses others.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from debias_pt.errors import BackboneError, DebiasWarning, UsageError

Tokenizer = Callable[[list[str]], Tensor]


class TextTower:
    """A view of a CLIP model's text tower that takes token embeddings instead of tokens.

    Parameters
    ----------
    model : nn.Module
        open_clip's ``CLIP``, or ``CustomTextCLIP`` with its native text transformer.
    tokenizer : callable
        The tokenizer that belongs to the model.

    Raises
    ------
    BackboneError
        If the tower is not causal, or not read out at end-of-text (Hugging Face encoders, SigLIP, CoCa).

    Notes
    -----
    Layers are called batch-first, as open_clip 3 builds them; CoOp's permuted call fails or, with
    as many classes as tokens, silently mixes them up.
    """

    def __init__(self, model: nn.Module, tokenizer: Tokenizer) -> None:
        tower: Any = getattr(model, "text", model)
        _require_supported(tower)
        self.tokenizer = tokenizer
        self.context_length: int = int(tower.context_length)
        self.width: int = int(tower.token_embedding.weight.shape[1])
        self._tower = tower
        self._pool = _pool_type(tower)
        self._end_id: int | None = getattr(tower, "text_eos_id", getattr(tower, "eos_id", None))

    def tokenize(self, text: str) -> Tensor:
        """Return the token ids of `text` without start, end and padding, shape ``(n,)``.

        Raises
        ------
        UsageError
            If the text does not leave room in the tower's context.

        Notes
        -----
        Tokenizers truncate silently; a row that is filled to the last place counts as too long.
        """
        warn_unread(self._tower, self.tokenizer, [text])
        row = self.tokenizer([text])[0]
        end = int(self.end_positions(row[None])[0])
        if end >= self.context_length - 1:
            raise UsageError(
                f"{_shorten(text)!r} has {self.context_length - 2} tokens or more, and the text tower takes "
                f"{self.context_length} with start and end; use a shorter name"
            )
        return row[1:end]

    def start_and_end(self) -> tuple[Tensor, Tensor]:
        """Return the ids of start-of-text and end-of-text, each of shape ``(1,)``."""
        row = self.tokenizer([""])[0]
        return row[:1], row[1:2]

    def end_positions(self, tokens: Tensor) -> Tensor:
        """Return where each row of tokens ``(B, L)`` is read out, shape ``(B,)``."""
        if self._pool == "eos":
            return torch.eq(tokens, self._end_id or 0).int().argmax(dim=-1)
        return tokens.argmax(dim=-1)

    def embed(self, tokens: Tensor) -> Tensor:
        """Look token ids ``(...)`` up in the frozen embedding, giving ``(..., width)`` in fp32."""
        weight: Tensor = self._tower.token_embedding.weight
        return weight[tokens.to(weight.device)].float()

    def encode(self, embeddings: Tensor, end: Tensor) -> Tensor:
        """Encode prompts given as token embeddings, with gradient to the embeddings.

        Parameters
        ----------
        embeddings : Tensor, shape (B, L, width)
            Start-of-text first; what stands behind ``end`` is ignored.
        end : Tensor of int, shape (B,)
            Place of the end-of-text token in each row.

        Returns
        -------
        Tensor, shape (B, D)
            Text features, not normalised, equal to ``model.encode_text`` on the same prompts.
        """
        tower = self._tower
        length = int(end.max()) + 1
        hidden = embeddings[:, :length] + tower.positional_embedding[:length]
        hidden = tower.transformer(hidden, attn_mask=tower.attn_mask[:length, :length])
        pooled = tower.ln_final(hidden[torch.arange(len(end), device=hidden.device), end])
        projection = tower.text_projection
        if projection is None:
            return torch.as_tensor(pooled)
        return torch.as_tensor(projection(pooled) if isinstance(projection, nn.Linear) else pooled @ projection)


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
            raise UsageError(f"the prompt {_shorten(text)!r} has more than {room} tokens; shorten it")
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
    words = sorted({word for text in texts for word in text.split()})
    unread = [word for word, row in zip(words, tokenizer(words), strict=True) if not read(row[1 : int(row.argmax())])]
    if unread:
        warnings.warn(
            f"the model never read {', '.join(map(repr, unread))} in its pretraining; what it says of such words "
            "means little",
            DebiasWarning,
            stacklevel=3,
        )


def _pool_type(tower: nn.Module) -> object:
    return getattr(tower, "text_pool_type", getattr(tower, "pool_type", None))


def _require_supported(tower: nn.Module) -> None:
    kind = type(tower).__name__
    for name in ("token_embedding", "transformer", "positional_embedding", "ln_final"):
        if not hasattr(tower, name):
            raise BackboneError(
                f"text tower {kind} is not supported yet: prompts need open_clip's native text transformer, "
                "this one has another encoder (Hugging Face?); use a CLIP model"
            )
    if getattr(tower, "cls_emb", None) is not None:
        raise BackboneError(
            f"text tower {kind} is not supported yet: it is read out at a class token behind the padding "
            "(CoCa); use a CLIP model"
        )
    if getattr(tower, "attn_mask", None) is None or _pool_type(tower) not in ("argmax", "eos"):
        raise BackboneError(
            f"text tower {kind} is not supported yet: it is not causal or not read out at end-of-text "
            f"(SigLIP; pool {_pool_type(tower)!r}); use a CLIP model"
        )


def _shorten(text: str) -> str:
    return text if len(text) <= 50 else f"{text[:47]}..."
