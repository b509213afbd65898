"""The text pass of every tower: the model's own ``encode_text``, with prompts in place of looked-up embeddings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from debias_pt.models.text.prompt_ids import PromptIds
from debias_pt.models.text.supported import token_embedding


class WholePass:
    """Encodes prompts given as embeddings over all places that the model was trained with.

    The model gets token ids, as always, and its table of embeddings answers with the prompts instead. Its masks,
    position ids and pooling are therefore its own. Behind a prompt stand the padding's embeddings: towers that are not
    causal, such as SigLIP's and CLIPA's, were trained to look at them.

    Parameters
    ----------
    model : nn.Module
        With ``encode_text``, or a text tower by itself.
    tower : nn.Module
        Its text tower.
    ids : PromptIds
        How its tokenizer writes prompts.
    """

    def __init__(self, model: nn.Module, tower: Any, ids: PromptIds) -> None:
        self.table: Any = token_embedding(tower)
        self._model: Any = model
        self._word = int(ids.words("a")[0])
        self._last = int(ids.end[-1])
        self._pad, self._places = ids.pad, ids.places
        # Hugging Face encoders mask their padding, so that only as much of it is needed as a batch has.
        self.masks_padding = tower.__class__.__name__ == "HFTextEncoder"

    def __call__(self, embeddings: Tensor, end: Tensor, *, all_places: bool = False) -> Tensor:
        """Return text features ``(B, D)``, not normalised, of prompts ``(B, L, width)`` that end at `end`.

        With `all_places` padding that the model masks is encoded too.
        """
        ends = tuple(end.tolist())
        places = max(ends) + 1 if self.masks_padding and not all_places else self._places
        ids, used = _ids(ends, places, (self._word, self._last, self._pad), embeddings.device)
        embeddings = embeddings[:, :places]
        embeddings = nn.functional.pad(embeddings, (0, 0, 0, places - embeddings.shape[1]))

        def answer(module: object, inputs: object, looked_up: Tensor) -> Tensor:
            return torch.where(used, embeddings.to(looked_up.dtype), looked_up)

        with _answering(self.table, answer):
            if hasattr(self._model, "encode_text"):
                return torch.as_tensor(self._model.encode_text(ids, normalize=False))
            return torch.as_tensor(self._model(ids))


@contextmanager
def _answering(table: nn.Module, answer: Any) -> Iterator[None]:
    hook = table.register_forward_hook(answer)
    try:
        yield
    finally:
        hook.remove()


# Every step needs the same tensors; keeping them saves copies to a GPU.
@lru_cache(maxsize=16)
@torch.inference_mode(False)
def _ids(ends: tuple[int, ...], places: int, ids: tuple[int, int, int], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return token ids ``(B, places)`` that stand for prompts, and which of them do, ``(B, places, 1)``."""
    word, last, pad = ids
    place, end = torch.arange(places), torch.tensor(ends)[:, None]
    stand = torch.where(place < end, word, torch.where(place == end, last, pad))
    return stand.to(device), (place <= end)[..., None].to(device)
