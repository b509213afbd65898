"""The text pass that computes a prefix shared by all classes once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, groupby
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

# Bytes of activations kept for the backward pass above which classes go in parts, each computed twice.
BUDGET = 2 << 30


def bytes_per_token(*, width: int, hidden: int, heads: int, layers: int, keys: int, item: int) -> int:
    """Estimate the bytes that one token keeps for the backward pass, rather too many than too few.

    Parameters
    ----------
    width, hidden : int
        Of the tower and of its blocks' MLP.
    heads, layers : int
        Of the tower.
    keys : int
        Most tokens that one token attends to.
    item : int
        Bytes per number.

    Examples
    --------
    >>> bytes_per_token(width=512, hidden=2048, heads=8, layers=12, keys=25, item=4) // 1024
    402
    """
    # Two norms' inputs, query (twice: scaled, too), key, value, MLP before and within its activation, attention
    # weights with a copy of their parts.
    return item * layers * (8 * width + 2 * hidden + 2 * heads * keys)


def split_classes(lengths: Sequence[int], token: int, budget: int = BUDGET) -> list[slice]:
    """Split classes into parts of about as many tokens each, so that a part stays within the budget.

    Parameters
    ----------
    lengths : sequence of int
        Tokens of each class.
    token : int
        Bytes a token takes.
    budget : int
        Bytes a part may take. A single class is a part however much it takes.

    Examples
    --------
    >>> split_classes([3, 3, 3, 4, 4], token=10, budget=100)
    [slice(0, 3, None), slice(3, 5, None)]
    >>> split_classes([3, 3, 3, 4, 4], token=10, budget=1000)
    [slice(0, 5, None)]
    """
    total, room = sum(lengths), max(budget // token, 1)
    even = -(-total // -(-total // room))  # tokens per part if all were equal
    ends = accumulate(lengths)
    parts = [len(list(same)) for _, same in groupby((end - 1) // even for end in ends)]
    stops = list(accumulate(parts))
    return [slice(stop - part, stop) for part, stop in zip(parts, stops, strict=True)]


KeysValues = tuple[Tensor, Tensor]


def encode_suffixes(
    transformer: Any, prefix: Tensor, suffix: Tensor, lengths: Sequence[int], *, budget: int = BUDGET
) -> Tensor:
    """Run the transformer over all joined sequences and return what it gives at their ends.

    Parameters
    ----------
    transformer : open_clip.transformer.Transformer
        Of a tower that :func:`debias_pt.models.text.supported.knows_layers` knows.
    prefix : Tensor, shape (R, P, width)
        With positions added, as `suffix`.
    suffix : Tensor, shape (1 or R, K, S, width)
    lengths : sequence of int
        Tokens of each suffix, K of them; what follows is not read.
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
    """Exclude a tower in training: its weights may have changed by the time of the backward pass."""
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
        at_end = number == len(blocks)  # the other tokens are no longer needed
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


@dataclass(frozen=True, eq=False)
class Ragged:
    """Where the tokens of K concatenated sequences are, shorter sequences first.

    Sequences of equal length are then adjacent and form a plain batch.

    Attributes
    ----------
    index : Tensor of int, shape (T,)
        Of every token, its place in the padded sequences ``(K * size)``.
    last : Tensor of int, shape (K,)
        Of every sequence, its last token's place among the T.
    buckets : tuple of (int, int)
        Number of sequences and their length.
    """

    index: Tensor
    last: Tensor
    buckets: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, sequences: Sequence[int], lengths: Sequence[int], size: int, device: torch.device) -> Ragged:
        """Return the layout of `sequences`, which are sorted by their `lengths` and padded to `size`."""
        return _layout(tuple(sequences), tuple(lengths), size, device)


# Every step needs the same tensors; keeping them saves copies to a GPU, and keeps copies out of graphs.
@lru_cache(maxsize=64)
@torch.inference_mode(False)  # cached tensors must work with autograd, even if first created in inference mode
def kept_index(places: tuple[int, ...], device: torch.device) -> Tensor:
    """Return the places as a tensor, the same one at every call; do not modify it."""
    return torch.tensor(places, device=device)


@lru_cache(maxsize=64)
def _layout(sequences: tuple[int, ...], lengths: tuple[int, ...], size: int, device: torch.device) -> Ragged:
    pairs = zip(sequences, lengths, strict=True)
    index = tuple(sequence * size + place for sequence, length in pairs for place in range(length))
    last = tuple(end - 1 for end in accumulate(lengths))
    buckets = tuple((len(list(same)), length) for length, same in groupby(lengths))
    return Ragged(kept_index(index, device), kept_index(last, device), buckets)
