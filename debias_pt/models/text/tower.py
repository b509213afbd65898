"""The exact prompt encoder: open_clip's native text transformer, without work that has no effect.

In a causal tower that is read out at end-of-text, a token never sees what follows it. Everything
after the last end-of-text token of a batch can therefore be left out without changing a single
feature; prompts for usual class names fill 7 to 25 of the 77 places. And what all prompts begin with needs to be
encoded only once. :class:`TextTower` checks that the tower is of that kind and refuses others.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from debias_pt.errors import UsageError
from debias_pt.models.text.shared_prefix import encode_suffixes
from debias_pt.models.text.supported import is_causal, knows_layers, pool_type, require_supported
from debias_pt.models.text.tokens import Tokenizer, shorten, warn_unread


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
        require_supported(tower)
        self.tokenizer = tokenizer
        self.context_length: int = int(tower.context_length)
        self.width: int = int(tower.token_embedding.weight.shape[1])
        self._tower = tower
        self._pool = pool_type(tower)
        self._causal = is_causal(tower.attn_mask)  # once: the answer has to wait for a GPU
        self._end_id: int | None = getattr(tower, "text_eos_id", getattr(tower, "eos_id", None))

    def tokenize(self, text: str) -> Tensor:
        """Return the token ids of `text` without start, end and padding, shape ``(n,)``.

        Raises
        ------
        UsageError
            If the text does not fit into the tower's context.

        Notes
        -----
        Tokenizers truncate silently; a row that is filled to the last place counts as too long.
        """
        warn_unread(self._tower, self.tokenizer, [text])
        row = self.tokenizer([text])[0]
        end = int(self.end_positions(row[None])[0])
        if end >= self.context_length - 1:
            raise UsageError(
                f"{shorten(text)!r} has {self.context_length - 2} tokens or more, and the text tower takes "
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
            Start-of-text first; what follows ``end`` is ignored.
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
        return self._read_out(hidden[torch.arange(len(end), device=hidden.device), end])

    @property
    def shares_prefix(self) -> bool:
        """Whether :meth:`encode_shared` encodes the prefix once; if not, it encodes all joined sequences."""
        return self._causal and knows_layers(self._tower)

    def encode_shared(self, prefix: Tensor, suffix: Tensor, end: Tensor) -> Tensor:
        """Encode prompts with a common beginning: the shared tokens once per run, then those of each class.

        Parameters
        ----------
        prefix : Tensor, shape (R, P, width)
            Token embeddings from start-of-text on.
        suffix : Tensor, shape (K, S, width) or (R, K, S, width)
            The rest of each class's prompt, the same for all runs or not; what follows ``end`` is ignored.
        end : Tensor of int, shape (K,)
            Place of the end-of-text token in each suffix. On the CPU, so that nothing waits for a GPU.

        Returns
        -------
        Tensor, shape (R, K, D)
            Text features, not normalised, equal to :meth:`encode` on the joined sequences.

        Notes
        -----
        Gradient flows to prefix, suffix and the tower's weights as far as they require it. Where the activations would
        take over 2 GiB, classes go through a frozen tower in parts that are recomputed in the backward pass.
        """
        if not self.shares_prefix:
            return self._encode_joined(prefix, suffix, end)
        lengths = [place + 1 for place in end.tolist()]
        suffix = suffix if suffix.dim() == 4 else suffix[None]
        position, start = self._tower.positional_embedding, prefix.shape[1]
        suffix = suffix[:, :, : max(lengths)]
        suffix = suffix + position[start : start + suffix.shape[2]]
        return self._read_out(encode_suffixes(self._tower.transformer, prefix + position[:start], suffix, lengths))

    def _encode_joined(self, prefix: Tensor, suffix: Tensor, end: Tensor) -> Tensor:
        runs, classes = len(prefix), len(end)
        begun = prefix[:, None].expand(-1, classes, -1, -1)
        prompts = torch.cat([begun, suffix.expand(runs, -1, -1, -1)], dim=2)
        places = (end.to(prefix.device) + prefix.shape[1]).repeat(runs)
        return self.encode(prompts.flatten(0, 1), places).view(runs, classes, -1)

    def _read_out(self, hidden: Tensor) -> Tensor:
        """Turn the transformer's output at end-of-text into text features."""
        pooled = self._tower.ln_final(hidden)
        projection = self._tower.text_projection
        if projection is None:
            return torch.as_tensor(pooled)
        return torch.as_tensor(projection(pooled) if isinstance(projection, nn.Linear) else pooled @ projection)
