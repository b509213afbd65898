"""How many classes go through the text tower at once, so that their activations fit into memory."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, groupby

# Bytes of activations kept for the backward pass above which classes go in parts, each computed twice.
BUDGET = 2 << 30


def bytes_per_token(*, width: int, hidden: int, heads: int, layers: int, keys: int, item: int) -> int:
    """Estimate what one token leaves behind for the backward pass; on the high side.

    Parameters
    ----------
    width, hidden : int
        Of the tower and of its blocks' MLP.
    heads, layers : int
        Of the tower.
    keys : int
        How many tokens a token looks at, at most.
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
        Bytes a part may take. One class is a part, whatever it takes.

    Examples
    --------
    >>> split_classes([3, 3, 3, 4, 4], token=10, budget=100)
    [slice(0, 3, None), slice(3, 5, None)]
    >>> split_classes([3, 3, 3, 4, 4], token=10, budget=1000)
    [slice(0, 5, None)]
    """
    total, room = sum(lengths), max(budget // token, 1)
    even = -(-total // -(-total // room))  # tokens per part, were they all alike
    ends = accumulate(lengths)
    parts = [len(list(same)) for _, same in groupby((end - 1) // even for end in ends)]
    stops = list(accumulate(parts))
    return [slice(stop - part, stop) for part, stop in zip(parts, stops, strict=True)]
