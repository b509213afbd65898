"""Heads that learn the class names' tokens: alone (CLS tuning), or with the context (full tuning)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from debias_pt.errors import UsageError
from debias_pt.models.backbone import Backbone
from debias_pt.models.heads.base import Head, provides_head
from debias_pt.models.heads.prompt_init import WORD, first_context, require_distinct, split_template
from debias_pt.models.text.prompt_ids import begins_alike
from debias_pt.models.zero_shot import TEMPLATE
from debias_pt.settings import FitSettings


class ClassTokenHead(Head):
    """Class weights from prompts whose class names are learned (PTNL, arXiv 2307.11978, CLS tuning and full tuning).

    Every run and class learns the embeddings of its own name's tokens, and starts from those of the words. Before the
    name are fixed words or, with `context_init` a learned context shared by all classes. The whole prompt is
    tokenised as one text, so that the class weights start as the zero-shot ones of the same words; a token that a name
    shares with the mark behind it, as ")." does, is the name's and learns.

    Parameters
    ----------
    backbone : Backbone
        The frozen model.
    class_names : sequence of str
        K names.
    seeds : sequence of int
        One per run; R of them. A seed draws the run's first context, where that is random.
    template : str
        Fixed words around the name; what follows the name stays fixed with a learned context too.
    context_init : str, optional
        ``"random"`` or words: learn the context as well, from there. Takes the place of the words before the name.
    context_length : int, optional
        Number M of learned context vectors, as for :class:`~debias_pt.models.heads.prompt.PromptHead`.

    Attributes
    ----------
    names : Parameter, shape (R, K, T, d)
        T places, as many as the longest name has tokens; those that a name does not fill are zero, unused and without
        gradient.
    context : Parameter, shape (R, M, d), or None
        The learned context.

    Raises
    ------
    UsageError
        If a prompt does not fit, names are the same tokens, or the template has no ``{}``.

    Examples
    --------
    >>> head = ClassTokenHead(backbone, ["landbird", "waterbird"], seeds=[0, 1])     # doctest: +SKIP
    >>> head().shape                                                                 # doctest: +SKIP
    torch.Size([2, 2, 512])
    """

    passes_text = True
    before: Tensor
    behind: Tensor
    is_name: Tensor

    def __init__(
        self,
        backbone: Backbone,
        class_names: Sequence[str],
        *,
        seeds: Sequence[int] = (0,),
        template: str = TEMPLATE,
        context_init: str | None = None,
        context_length: int | None = None,
    ) -> None:
        super().__init__()
        self.tower = backbone.text
        self.scale = backbone.logit_scale
        before, after = split_template(template)
        start, stop = self.tower.start_and_end()
        context = None if context_init is None else first_context(self.tower, context_init, context_length, seeds)
        words, behind = (before, "") if context_init is None else (" ", WORD)
        texts = [self.tower.tokenize(f"{words}{name}{after}", behind) for name in class_names]
        require_distinct(class_names, texts)
        first, last = _name_places(texts, self.tower.tokenize(words, behind), self.tower.tokenize(after, WORD))
        shared = int(first.min())
        length = len(start) + len(stop) + shared + (0 if context is None else context.shape[1])
        self._require_room(class_names, torch.tensor([len(ids) - shared for ids in texts]) + length)
        rows = nn.utils.rnn.pad_sequence([torch.cat([ids[shared:], stop]) for ids in texts], batch_first=True)
        place = torch.arange(rows.shape[1]) + shared
        is_name = (place >= first[:, None]) & (place < last[:, None])
        self.register_buffer("before", self.tower.embed(torch.cat([start, texts[0][:shared]])), persistent=False)
        self.register_buffer("behind", self.tower.embed(rows), persistent=False)
        self.register_buffer("is_name", is_name[..., None], persistent=False)
        last_place = len(stop) - 1 - shared
        self.end = torch.tensor([len(ids) + last_place for ids in texts])  # on the CPU, so that nothing waits for a GPU
        names = torch.where(self.is_name, self.behind.cpu(), 0.0)[:, : int(last.max()) - shared]
        self.names = nn.Parameter(names.repeat(len(seeds), 1, 1, 1))
        self.context = None if context is None else nn.Parameter(context)
        self.to(backbone.device)

    def _require_room(self, class_names: Sequence[str], lengths: Tensor) -> None:
        longest = int(lengths.argmax())
        if lengths[longest] > self.tower.context_length:
            raise UsageError(
                f"the prompt for class {class_names[longest][:50]!r} has {int(lengths[longest])} tokens, the text "
                f"tower takes {self.tower.context_length}; use a shorter name, --template or --context-length"
            )

    def forward(self) -> Tensor:
        """Return unit class weights, shape ``(R, K, D)``."""
        runs, _, longest, _ = self.names.shape
        learned = nn.functional.pad(self.names, (0, 0, 0, self.behind.shape[1] - longest))
        suffix = torch.where(self.is_name, learned, self.behind)
        prefix = self.before.expand(runs, -1, -1)
        if self.context is not None:
            prefix = torch.cat([prefix, self.context], dim=1)
        return nn.functional.normalize(self.tower.encode_shared(prefix, suffix, self.end), dim=-1)


def _name_places(texts: Sequence[Tensor], before: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
    """Return where each class's own tokens begin and where they have ended, both of shape ``(K,)``.

    Whole prompts are tokenised, for byte pairs merge across the edges of a name: ")." is one token. What is not there
    for every name, before or after it, belongs to the name.
    """
    first = [begins_alike(ids, before) for ids in texts]
    behind = [begins_alike(ids[begun:].flip(0), after.flip(0)) for ids, begun in zip(texts, first, strict=True)]
    last = [len(ids) - rest for ids, rest in zip(texts, behind, strict=True)]
    return torch.tensor(first), torch.tensor(last)


@provides_head("class-tokens", takes=("template",))
def class_tokens(backbone: Backbone, class_names: Sequence[str], seeds: Sequence[int], settings: FitSettings) -> Head:
    """Token embeddings of the class names, among fixed words (PTNL's CLS tuning)."""
    return ClassTokenHead(backbone, class_names, seeds=seeds, template=settings.template or TEMPLATE)
