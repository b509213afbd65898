"""Sequences of different lengths in one row of tokens, with no padding between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, groupby

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Ragged:
    """Where the tokens of K sequences lie when they stand one behind the other, shorter sequences first.

    Equal lengths are neighbours then, so that all sequences of one length are a plain batch.

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


# Every step of a training asks for the same; on a GPU keeping it saves copies, and keeps them out of graphs.
@lru_cache(maxsize=64)
@torch.inference_mode(False)  # what is kept must be fit for training, whoever asked first
def kept_index(places: tuple[int, ...], device: torch.device) -> Tensor:
    """Return the places as a tensor, the same one at every call; not to be changed."""
    return torch.tensor(places, device=device)


@lru_cache(maxsize=64)
def _layout(sequences: tuple[int, ...], lengths: tuple[int, ...], size: int, device: torch.device) -> Ragged:
    pairs = zip(sequences, lengths, strict=True)
    index = tuple(sequence * size + place for sequence, length in pairs for place in range(length))
    last = tuple(end - 1 for end in accumulate(lengths))
    buckets = tuple((len(list(same)), length) for length, same in groupby(lengths))
    return Ragged(kept_index(index, device), kept_index(last, device), buckets)
