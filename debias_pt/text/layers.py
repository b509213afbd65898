"""The layers of open_clip's text transformer, walked so that one prefix serves many suffixes.

In a causal tower no token sees what follows it: the tokens that all prompts begin with come out the same in each.
They are encoded once, and in every layer their keys and values serve the tokens of all suffixes. These stand packed,
without padding (class names have 1 to 12 tokens), and in the last layer only their ends go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from debias_pt.text.budget import BUDGET, bytes_per_token, split_classes
from debias_pt.text.ragged import Ragged, kept_index

KeysValues = tuple[Tensor, Tensor]


def encode_suffixes(
    transformer: Any, prefix: Tensor, suffix: Tensor, lengths: Sequence[int], *, budget: int = BUDGET
) -> Tensor:
    """Run the transformer over all joined sequences and return what it gives at their ends.

    Parameters
    ----------
    transformer : open_clip.transformer.Transformer
        Of a tower that :func:`debias_pt.text.guard.knows_layers` knows.
    prefix : Tensor, shape (R, P, width)
        With positions added, as `suffix`.
    suffix : Tensor, shape (1 or R, K, S, width)
    lengths : sequence of int
        Tokens of each suffix, K of them; what stands behind is not read.
    budget : int
        Bytes of activations above which classes go in parts, with recomputation in the backward pass.

    Returns
    -------
    Tensor, shape (R, K, width)
    """
    keys = _encode_prefix(transformer.resblocks, prefix)
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    ordered = [lengths[place] for place in order]
    tokens = suffix.flatten(1, 2)

    def encode(part: slice) -> Tensor:
        layout = Ragged.of(order[part], ordered[part], suffix.shape[2], suffix.device)
        return _encode_packed(transformer.resblocks, tokens.index_select(1, layout.index), keys, layout)

    parts = [slice(None)]
    if _may_recompute(transformer):
        parts = split_classes(ordered, _bytes_per_token(transformer, prefix, ordered[-1]), budget)
    ends = encode(parts[0]) if len(parts) == 1 else torch.cat([_recomputed(encode, part) for part in parts], dim=1)
    back = sorted(range(len(order)), key=order.__getitem__)
    return ends.index_select(1, kept_index(tuple(back), ends.device))


def _may_recompute(transformer: nn.Module) -> bool:
    """Leave a tower in training out: by the time of the backward pass its weights may be others."""
    return torch.is_grad_enabled() and not any(weight.requires_grad for weight in transformer.parameters())


def _recomputed(encode: Any, part: slice) -> Tensor:
    return torch.as_tensor(checkpoint(encode, part, use_reentrant=False, preserve_rng_state=False))


def _bytes_per_token(transformer: Any, prefix: Tensor, longest: int) -> int:
    block = transformer.resblocks[0]
    token = bytes_per_token(
        width=prefix.shape[2],
        hidden=block.mlp.c_fc.out_features,
        heads=block.attn.num_heads,
        layers=len(transformer.resblocks),
        keys=prefix.shape[1] + longest,
        item=prefix.element_size(),
    )
    return token * len(prefix)


def _encode_prefix(blocks: Any, prefix: Tensor) -> list[KeysValues]:
    """Return the prefix's keys and values in every layer, each of shape ``(R, heads, P, size)``."""
    found = []
    for block in blocks:
        query, key, value = _project(block, prefix)
        found.append((key, value))
        if len(found) < len(blocks):
            mixed = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
            prefix = _finish(block, prefix, mixed)
    return found


def _encode_packed(blocks: Any, tokens: Tensor, keys: list[KeysValues], layout: Ragged) -> Tensor:
    """Return the last tokens ``(R, K, width)`` of packed suffixes ``(1 or R, T, width)``."""
    for number, (block, prefix) in enumerate(zip(blocks, keys, strict=True), start=1):
        query, key, value = _project(block, tokens)
        at_end = number == len(blocks)  # nobody looks at the other tokens any more
        if at_end:
            tokens, query = tokens[:, layout.last], query[:, :, layout.last]
        tokens = _finish(block, tokens, _attend(query, key, value, prefix, layout, at_end))
    return tokens


def _project(block: Any, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return query, key and value of tokens ``(R, T, width)``, each of shape ``(R, heads, T, size)``."""
    attention = block.attn
    rows = nn.functional.linear(block.ln_1(tokens), attention.in_proj_weight, attention.in_proj_bias)
    query, key, value = rows.view(*tokens.shape[:2], 3, attention.num_heads, -1).permute(2, 0, 3, 1, 4)
    return query, key, value


def _finish(block: Any, tokens: Tensor, mixed: Tensor) -> Tensor:
    """Add what attention mixed ``(R, heads, T, size)`` to the tokens ``(R, T, width)``, then the MLP's share."""
    tokens = tokens + block.ls_1(block.attn.out_proj(mixed.transpose(1, 2).flatten(2)))
    return torch.as_tensor(tokens + block.ls_2(block.mlp(block.ln_2(tokens))))


def _attend(query: Tensor, key: Tensor, value: Tensor, prefix: KeysValues, layout: Ragged, at_end: bool) -> Tensor:
    """Let every token look at its run's prefix and at its own suffix up to itself, under one softmax.

    The prefix is one matrix for all tokens, copied for none of them. Suffixes of one length are one batch.
    """
    query = query * query.shape[-1] ** -0.5
    runs, reach = len(prefix[0]), prefix[0].shape[2]
    tokens = [count * length for count, length in layout.buckets]
    asked = [count for count, _ in layout.buckets] if at_end else tokens
    sides = (
        torch.split(query, asked, 2),
        torch.split(query @ prefix[0].mT, asked, 2),
        torch.split(key, tokens, 2),
        torch.split(value, tokens, 2),
    )
    mixed = []
    for (count, length), near_query, far, near_key, near_value in zip(layout.buckets, *sides, strict=True):
        near = _each(near_query, count) @ _each(near_key, count).mT
        near = near + _causal(length, near)[-near.shape[-2] :]
        both = torch.cat([_each(far, count), near.expand(runs, -1, -1, -1, -1)], dim=-1).softmax(dim=-1)
        own = both[..., reach:] @ _each(near_value, count)
        mixed.append(both[..., :reach].flatten(2, 3) @ prefix[1] + own.flatten(2, 3))
    return torch.cat(mixed, dim=2)


def _each(rows: Tensor, count: int) -> Tensor:
    """Give each of `count` sequences of one length its own axis: ``(R, heads, count, length, n)``."""
    return rows.reshape(*rows.shape[:2], count, -1, rows.shape[-1])


def _causal(length: int, like: Tensor) -> Tensor:
    return like.new_full((length, length), float("-inf")).triu_(1)
