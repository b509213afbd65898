"""The exact prompt encoder: a CLIP model's text tower, without work that has no effect.

In a causal tower that is read out at end-of-text, a token never sees what follows it. Everything
after the last end-of-text token of a batch can therefore be left out without changing a single
feature; prompts for usual class names fill 7 to 25 of the 77 places. And what all prompts begin with needs to be
encoded only once. Prompts for other towers go through the model's own ``encode_text``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from debias_pt.errors import BackboneError, UsageError
from debias_pt.models.text.prompt_ids import PromptIds, Tokenizer
from debias_pt.models.text.shared_prefix import encode_suffixes
from debias_pt.models.text.supported import is_causal, knows_layers, pool_type, reads_at_end
from debias_pt.models.text.tokens import shorten, warn_unread
from debias_pt.models.text.whole_pass import WholePass


class TextTower:
    """A view of a CLIP model's text tower that takes token embeddings instead of tokens.

    Parameters
    ----------
    model : nn.Module
        Of open_clip, or with the same ``encode_text``.
    tokenizer : callable
        The tokenizer that belongs to the model.

    Raises
    ------
    BackboneError
        If the tower has no table of token embeddings, or its tokenizer pads on the left.

    Attributes
    ----------
    ids : PromptIds
        How the tokenizer writes prompts.
    context_length : int
        Tokens that a prompt may have, with start and end.
    width : int
        Size of a token embedding.
    table : nn.Module
        The token embeddings.
    cuts : bool
        Whether what follows end-of-text is left out, which is exact only in a causal tower read out there.

    Notes
    -----
    Layers are called batch-first, as open_clip 3 builds them; CoOp's permuted call fails or, with
    as many classes as tokens, silently mixes them up.
    """

    def __init__(self, model: nn.Module, tokenizer: Tokenizer) -> None:
        tower: Any = getattr(model, "text", model)
        self.tokenizer = tokenizer
        self.ids = PromptIds(tokenizer)
        self.context_length = self.ids.places
        self.cuts = reads_at_end(tower)
        self._tower = tower
        self._whole = WholePass(model, tower, self.ids)
        self.table: Any = self._whole.table
        self.width = int(self.table.weight.shape[1])
        self._pool = pool_type(tower)
        self._causal = self.cuts and is_causal(tower.attn_mask)  # once: the answer has to wait for a GPU
        self._end_id: int | None = getattr(tower, "text_eos_id", getattr(tower, "eos_id", None))
        self._require_its_tokenizer()

    def _require_its_tokenizer(self) -> None:
        tokens = self.tokenizer(["a"])
        if self._pool in ("argmax", "eos") and not torch.equal(self._read_at(tokens), self.ids.end_positions(tokens)):
            raise BackboneError(
                f"the text tower is read out at token {int(self._read_at(tokens)[0])} of {tokens[0, :4].tolist()}..., "
                f"where {type(self.tokenizer).__name__} does not end a text; give the model its own tokenizer"
            )

    def tokenize(self, text: str, behind: str = "") -> Tensor:
        """Return the token ids of `text` without start, end and padding, shape ``(n,)``, as written `behind` words.

        Raises
        ------
        UsageError
            If the text does not fit into the tower's context.
        """
        warn_unread(self._tower, self.ids, [text])
        found = self.ids.words(text, behind)
        if len(found) >= self.ids.room:
            raise UsageError(
                f"{shorten(text.strip())!r} has {self.ids.room} tokens or more, and the text tower takes "
                f"{self.context_length} with start and end; use a shorter name"
            )
        return found

    def start_and_end(self) -> tuple[Tensor, Tensor]:
        """Return the ids before and behind the words, shapes ``(s,)`` and ``(e,)``; there may be no start."""
        return self.ids.start, self.ids.end

    def end_positions(self, tokens: Tensor) -> Tensor:
        """Return where each prompt among tokens ``(B, L)`` ends, shape ``(B,)``: at end-of-text, if there is one."""
        if not self.cuts:
            return self.ids.end_positions(tokens)
        return self._read_at(tokens)

    def _read_at(self, tokens: Tensor) -> Tensor:
        if self._pool == "eos":
            return torch.eq(tokens, self._end_id or 0).int().argmax(dim=-1)
        return tokens.argmax(dim=-1)

    def embed(self, tokens: Tensor) -> Tensor:
        """Look token ids ``(...)`` up in the frozen embedding, giving ``(..., width)`` in fp32."""
        return torch.as_tensor(self.table(tokens.to(self.table.weight.device))).float()

    def encode(self, embeddings: Tensor, end: Tensor) -> Tensor:
        """Encode prompts given as token embeddings, with gradient to the embeddings.

        Parameters
        ----------
        embeddings : Tensor, shape (B, L, width)
            Start-of-text first, if the tokenizer writes one; what follows ``end`` is ignored.
        end : Tensor of int, shape (B,)
            Place of each row's last token, end-of-text if the tokenizer writes one.

        Returns
        -------
        Tensor, shape (B, D)
            Text features, not normalised, equal to ``model.encode_text`` on the same prompts.
        """
        if not self.cuts:
            return self._whole(embeddings, end)
        tower = self._tower
        length = int(end.max()) + 1
        hidden = embeddings[:, :length] + tower.positional_embedding[:length]
        hidden = tower.transformer(hidden, attn_mask=tower.attn_mask[:length, :length])
        return self._read_out(hidden[torch.arange(len(end), device=hidden.device), end])

    def encode_whole(self, embeddings: Tensor, end: Tensor) -> Tensor:
        """Do what :meth:`encode` does by the model's own ``encode_text`` over all places, also where that is slower."""
        return self._whole(embeddings, end, all_places=True)

    @property
    def text_pass(self) -> str:
        """How :meth:`encode` works: ``"cut"``, up to the prompts' ends, or ``"whole"``, over all places."""
        return "cut" if self.cuts or self._whole.masks_padding else "whole"

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
