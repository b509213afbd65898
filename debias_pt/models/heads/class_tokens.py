"""Heads that learn the class names' tokens: alone (CLS tuning), or with the context (full tuning)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from debias_pt.errors import UsageError
from debias_pt.models.backbone import Backbone
from debias_pt.models.heads.base import Head, provides_head
from debias_pt.models.heads.prompt_init import first_context, require_distinct, split_template
from debias_pt.models.zero_shot import TEMPLATE
from debias_pt.settings import FitSettings


class ClassTokenHead(Head):
    """Class weights from prompts whose class names are learned (PTNL, arXiv 2307.11978, CLS tuning and full tuning).

    Every run and class learns the embeddings of its own name's tokens, and starts from those of the words. What stands
    before the name is fixed words, or with `context_init` a learned context shared by all classes.

    Parameters
    ----------
    backbone : Backbone
        Its text tower must be open_clip's native one.
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
        T the tokens of the longest name; places behind a shorter name are zero, unused and without gradient.
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
        tokens = [self.tower.tokenize(name) for name in class_names]
        require_distinct(class_names, tokens)
        context = None if context_init is None else first_context(self.tower, context_init, context_length, seeds)
        first = start if context_init is not None else torch.cat([start, self.tower.tokenize(before)])
        tail = torch.cat([self.tower.tokenize(after), stop])
        lengths = torch.tensor([len(ids) for ids in tokens])
        length = len(first) + (0 if context is None else context.shape[1])
        self._require_room(class_names, lengths + length + len(tail))
        rows = nn.utils.rnn.pad_sequence([torch.cat([ids, tail]) for ids in tokens], batch_first=True)
        is_name = torch.arange(rows.shape[1]) < lengths[:, None]
        self.register_buffer("before", self.tower.embed(first), persistent=False)
        self.register_buffer("behind", self.tower.embed(rows), persistent=False)
        self.register_buffer("is_name", is_name[..., None], persistent=False)
        self.end = lengths + len(tail) - 1  # stays on the CPU: a GPU need not be waited for
        names = torch.where(self.is_name, self.behind.cpu(), 0.0)[:, : int(lengths.max())]
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


@provides_head("class-tokens", takes=("template",))
def class_tokens(backbone: Backbone, class_names: Sequence[str], seeds: Sequence[int], settings: FitSettings) -> Head:
    """Token embeddings of the class names, among fixed words (PTNL's CLS tuning)."""
    return ClassTokenHead(backbone, class_names, seeds=seeds, template=settings.template or TEMPLATE)
