"""The text encoder as head: fixed prompts, a separate text tower for every run (PTNL's TEnc-FT)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from debias_pt.models.backbone import Backbone
from debias_pt.models.heads.base import Head, provides_head
from debias_pt.models.heads.prompt_init import require_distinct
from debias_pt.models.text import TextTower, require_fit
from debias_pt.models.zero_shot import TEMPLATE, class_prompts
from debias_pt.settings import FitSettings


class TextEncoderHead(Head):
    """Class weights from fixed words through a text tower that learns (PTNL, arXiv 2307.11978, TEnc-FT).

    Every run learns a copy of the tower: positions, transformer, last norm and projection. The table of token
    embeddings stays as it is, as in CoOp's text encoder. The backbone itself is never changed, and before the first
    step the class weights are the zero-shot ones.

    Parameters
    ----------
    backbone : Backbone
        The frozen model.
    class_names : sequence of str
        K names.
    seeds : sequence of int
        One per run; R of them. The start is the same for all: runs differ by their batches or their data.
    template : str
        The fixed words, with ``{}`` for the class name.

    Attributes
    ----------
    copies : ParameterDict
        What is learned: the tower's parameters by name, ``/`` for ``.``, each with the run as first axis.

    Raises
    ------
    UsageError
        If the template has no ``{}`` or a prompt does not fit.

    Notes
    -----
    Under wrong labels a tower needs a lower learning rate than a prompt. Saved runs hold the R towers, since class
    weights alone could not be trained on.

    Examples
    --------
    >>> head = TextEncoderHead(backbone, ["landbird", "waterbird"], seeds=[0, 1])    # doctest: +SKIP
    >>> head().shape                                                                 # doctest: +SKIP
    torch.Size([2, 2, 512])
    """

    passes_text = True
    prefix: Tensor
    suffix: Tensor

    def __init__(
        self,
        backbone: Backbone,
        class_names: Sequence[str],
        *,
        seeds: Sequence[int] = (0,),
        template: str = TEMPLATE,
    ) -> None:
        super().__init__()
        self.scale = backbone.logit_scale
        tokens = require_fit(backbone.text.ids, class_prompts(class_names, template))
        require_distinct(class_names, list(tokens))
        end = backbone.text.end_positions(tokens)
        alike = common_length(tokens, end)
        embeddings = backbone.text.embed(tokens[:, : int(end.max()) + 1])
        self.register_buffer("prefix", embeddings[:1, :alike], persistent=False)
        self.register_buffer("suffix", embeddings[:, alike:], persistent=False)
        self.end = end - alike  # stays on the CPU, so that nothing waits for a GPU
        # open_clip's CLIP is its own text tower, and has other parts too.
        others = {id(value) for value in (*backbone.model.visual.parameters(), *backbone.text.table.parameters())}
        others |= {id(getattr(backbone.model, name, None)) for name in ("logit_scale", "logit_bias")}
        module: nn.Module = getattr(backbone.model, "text", backbone.model)
        self._encoder = (_Encoder(module, backbone.text),)  # in a tuple: its parameters are not this head's
        self.copies = nn.ParameterDict(
            {
                name.replace(".", "/"): nn.Parameter(value.detach().float().repeat(len(seeds), *[1] * value.dim()))
                for name, value in module.named_parameters()
                if id(value) not in others
            }
        )
        self.to(backbone.device)

    def forward(self) -> Tensor:
        """Return unit class weights, shape ``(R, K, D)``."""
        runs = len(next(iter(self.copies.values())))
        features = torch.cat([self._encode(run) for run in range(runs)])
        return nn.functional.normalize(features, dim=-1)

    def _encode(self, run: int) -> Tensor:
        own = {f"module.{name.replace('/', '.')}": value[run] for name, value in self.copies.items()}
        return torch.as_tensor(functional_call(self._encoder[0], own, (self.prefix, self.suffix, self.end)))


class _Encoder(nn.Module):
    """The tower's pass as a module, so that its parameters can be swapped for one call."""

    def __init__(self, module: nn.Module, tower: TextTower) -> None:
        super().__init__()
        self.module, self.tower = module, tower

    def forward(self, prefix: Tensor, suffix: Tensor, end: Tensor) -> Tensor:
        return self.tower.encode_shared(prefix, suffix, end)


def common_length(tokens: Tensor, end: Tensor) -> int:
    """Return how many tokens all prompts begin with, end-of-text not counted.

    Examples
    --------
    >>> common_length(torch.tensor([[9, 1, 2, 7], [9, 1, 7, 0]]), torch.tensor([3, 2]))
    2
    """
    alike = (tokens == tokens[:1]).all(dim=0).cumprod(dim=0)
    return min(int(alike.sum()), int(end.min()))


@provides_head("text-encoder", takes=("template",))
def text_encoder(backbone: Backbone, class_names: Sequence[str], seeds: Sequence[int], settings: FitSettings) -> Head:
    """Text towers that learn, behind fixed words (PTNL's TEnc-FT)."""
    return TextEncoderHead(backbone, class_names, seeds=seeds, template=settings.template or TEMPLATE)
