"""What prompts start from: words around a class name, and an initial context."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from debias_pt.errors import UsageError
from debias_pt.models.text import TextTower
from debias_pt.models.zero_shot import require_template

# Stands for any word before another one: tokenizers write a word differently at the beginning of a text.
WORD = "a"


def behind_a_word(tower: TextTower, text: str, *, begins: bool = False) -> Tensor:
    """Return the token ids of `text` as they are behind a word, or as they are where a prompt begins."""
    return tower.tokenize(text) if begins else tower.tokenize(f" {text}", WORD)


def split_template(template: str) -> tuple[str, str]:
    """Return the words before and behind the class name.

    Raises
    ------
    UsageError
        If the template has no ``{}``.

    Examples
    --------
    >>> split_template("a photo of a {}, a type of pet.")
    ('a photo of a ', ', a type of pet.')
    """
    require_template(template)
    before, _, after = template.partition("{}")
    if "{}" in after:
        raise UsageError(f"the template {template!r} names the class twice; heads that learn the name take one {{}}")
    return before, after


def first_context(
    tower: TextTower, init: str, length: int | None, seeds: Sequence[int], *, begins: bool = True
) -> Tensor:
    """Return the first context vectors of every run, shape ``(R, M, width)``.

    Parameters
    ----------
    tower : TextTower
        Looks words up.
    init : str
        ``"random"``, for N(0, 0.02) drawn from each run's seed, or words, the same for all runs.
    length : int or None
        M; by default 16, or the number of the words' tokens.
    seeds : sequence of int
        One per run.
    begins : bool
        Whether prompts begin with the words, rather than with the class name.

    Raises
    ------
    UsageError
        If the length is not positive or not that of the words, or there are no words.
    """
    if init == "random":
        size = (16 if length is None else length, tower.width)
        if size[0] < 1:
            raise UsageError(f"context length is {length}; use 1 or more")
        return torch.stack([torch.randn(size, generator=_generator(seed)) * 0.02 for seed in seeds])
    words = behind_a_word(tower, init, begins=begins)
    if not len(words):
        raise UsageError(f"the context words {init!r} are empty; give words such as 'a photo of a', or random")
    if length is not None and length != len(words):
        raise UsageError(f"context length is {length}, but {init!r} has {len(words)} tokens; leave the length out")
    return tower.embed(words).cpu()[None].repeat(len(seeds), 1, 1)


def require_distinct(class_names: Sequence[str], tokens: Sequence[Tensor]) -> None:
    """Refuse class names that the tokenizer cannot tell apart, or that are empty."""
    seen: dict[tuple[int, ...], str] = {}
    for name, ids in zip(class_names, tokens, strict=True):
        if not name.strip():
            raise UsageError(f"the class name {name!r} is empty; give it a word")
        twin = seen.setdefault(tuple(ids.tolist()), name)
        if twin is not name:
            raise UsageError(f"the class names {twin!r} and {name!r} are the same tokens; rename one")


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
