"""How a tokenizer writes a prompt: what it puts before and behind the words, and what fills the rest."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from debias_pt.errors import BackboneError

Tokenizer = Callable[[list[str]], Tensor]


class PromptIds:
    """Token ids of words, apart from what a tokenizer adds to them.

    CLIP's tokenizer writes ``<start> words <end>`` and zeros, mT5's writes no start, SigLIP's fills the row with its
    end, and some write two tokens at one side. All of it is read off what the tokenizer gives for an empty text.

    Parameters
    ----------
    tokenizer : callable
        List of strings to token ids ``(n, places)``, padded on the right.

    Attributes
    ----------
    places : int
        Tokens of a row, the text tower's context length.
    start, end : Tensor of int, shapes (s,) and (e,)
        What stands before and behind the words; nothing may stand before them.
    pad : int
        What fills the rest of a row.
    pads_with_end : bool
        Whether the rest is filled with the token that stands behind the words.

    Raises
    ------
    BackboneError
        If the tokenizer pads on the left.

    Examples
    --------
    >>> import open_clip
    >>> ids = PromptIds(open_clip.get_tokenizer("ViT-B-32"))
    >>> ids.start, ids.words("a bird"), ids.end
    (tensor([49406]), tensor([ 320, 3329]), tensor([49407]))
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer: Any = tokenizer
        self._known: dict[str, Tensor] = {}
        self._may_be_long = "context_length" in inspect.signature(tokenizer).parameters
        self.places = int(tokenizer([""]).shape[1])
        self.pad = int(self._row("")[-1])
        empty, word = self._unpadded(""), self._unpadded("a")
        begun = begins_alike(empty, word)
        self.start, self.end = empty[:begun], empty[begun:]
        self.pads_with_end = not len(self.end)
        if self.pads_with_end:  # the first of the padding is the end: so it is in transformers' CLIP and in SigLIP
            self.end = torch.tensor([self.pad])
        if not len(word) or self.start.tolist() == [self.pad]:
            raise BackboneError(
                f"the tokenizer {type(tokenizer).__name__} pads on the left, or knows no letter; set padding_side to "
                "right in its tokenizer_config.json"
            )

    @property
    def room(self) -> int:
        """How many tokens words may have."""
        return self.places - len(self.start) - len(self.end)

    def words(self, text: str, behind: str = "") -> Tensor:
        """Return the ids of `text`, ``(n,)``, as it is written behind other words, without truncation.

        A mark or a word may have other tokens behind a word than at the beginning: SentencePiece writes a lone full
        stop as two tokens, byte pairs count the space before a word to the word.
        """
        found, before = self._words(f"{behind}{text}"), self._words(behind)
        return found[begins_alike(found, before) :]

    def _words(self, text: str) -> Tensor:
        if text not in self._known:
            row = self._unpadded(text)
            self._known[text] = row[len(self.start) : len(row) - len(self.end) * (not self.pads_with_end)]
        return self._known[text]

    def _unpadded(self, text: str) -> Tensor:
        row = self._row(text)
        used = (row != self.pad).nonzero()
        return row[: int(used.max()) + 1] if len(used) else row[:0]

    def end_positions(self, tokens: Tensor) -> Tensor:
        """Return the place of the last token that is not padding, ``(B,)``, of tokens ``(B, L)``; or of the end."""
        place = torch.arange(tokens.shape[1], device=tokens.device)
        last = torch.where(tokens != self.pad, place, -1).amax(dim=-1)
        return last + self.pads_with_end

    def _row(self, text: str) -> Tensor:
        """Return a row that is long enough for any text, if the tokenizer can be asked for one."""
        if not self._may_be_long:
            return torch.as_tensor(self.tokenizer([text])[0])
        places = max(self.places, 4 * len(text.encode()) + 16)
        return torch.as_tensor(self.tokenizer([text], context_length=places)[0])


def begins_alike(one: Tensor, other: Tensor) -> int:
    """Return how many ids two sequences ``(n,)`` and ``(m,)`` have in common from their first on.

    Examples
    --------
    >>> begins_alike(torch.tensor([3, 1, 4]), torch.tensor([3, 1, 5, 9]))
    2
    """
    length = min(len(one), len(other))
    return int((one[:length] == other[:length]).int().cumprod(dim=0).sum())
