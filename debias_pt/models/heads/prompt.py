"""The prompt head: learned context vectors around fixed class names (CoOp, arXiv 2109.01134)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from debias_pt.errors import UsageError
from debias_pt.models.backbone import Backbone
from debias_pt.models.heads.base import Head, provides_head, random_context
from debias_pt.models.heads.prompt_init import WORD, behind_a_word, first_context, require_distinct
from debias_pt.settings import FitSettings

POSITIONS = ("end", "middle", "front")
# A GPU needs longer to start the shared pass's many small kernels than to encode this many whole prompts.
FEW_ON_GPU = 64


class PromptHead(Head):
    """Class weights from prompts ``[context][class name].`` through the frozen text tower.

    With words as `context_init` the class weights start as the zero-shot ones of the template that puts the class name
    in its place: ``"{words} {}."`` at the end, ``"{} {words}."`` in front, the first half of the words' tokens before
    the name in the middle.

    Parameters
    ----------
    backbone : Backbone
        The frozen model.
    class_names : sequence of str
        K names.
    seeds : sequence of int
        One per run; R of them. A seed draws the run's first context.
    context_length : int, optional
        Number M of context vectors; 16 if `context_init` is ``"random"``, else its number of tokens.
    context_init : str
        ``"random"``, for N(0, 0.02), or words such as ``"a photo of a"``.
    class_specific : bool
        A separate context for every class instead of one for all.
    class_position : {"end", "middle", "front"}
        Position of the class name among the context vectors.

    Attributes
    ----------
    context : Parameter, shape (R, M, d), or (R, K, M, d) if class-specific
        What is learned; d is the text tower's width.

    Raises
    ------
    UsageError
        If an option is out of range or a prompt does not fit into the text tower.
    BackboneError
        If the text tower has no token embeddings.

    Notes
    -----
    Where the name stands at the end, name and full stop are tokenised as one text, as in CoOp's code: byte pairs merge
    the ")." of "kite (bird).". In the middle and in front the context stands between them, and each has its own tokens:
    words as `context_init` should not end in a mark there, which would merge with the full stop in zero-shot weights.
    CoOp cuts the tokens of "name." after as many as the name alone has; for a name whose last mark merges with the full
    stop its prompt then has the full stop in the middle and none at the end, which is no sentence's tokens.

    Examples
    --------
    >>> head = PromptHead(backbone, ["landbird", "waterbird"], seeds=[0, 1])     # doctest: +SKIP
    >>> head().shape                                                             # doctest: +SKIP
    torch.Size([2, 2, 512])
    """

    passes_text = True
    fixed: Tensor
    slots: Tensor
    end: Tensor

    def __init__(
        self,
        backbone: Backbone,
        class_names: Sequence[str],
        *,
        seeds: Sequence[int] = (0,),
        context_length: int | None = None,
        context_init: str = "random",
        class_specific: bool = False,
        class_position: str = "end",
    ) -> None:
        super().__init__()
        if class_position not in POSITIONS:
            raise UsageError(f"class position is {class_position!r}; use {', '.join(POSITIONS)}")
        self.tower = backbone.text
        self.scale = backbone.logit_scale
        context = first_context(
            self.tower, context_init, context_length, seeds, begins=_places_before(class_position, 2) > 0
        )
        if class_specific:
            context = context[:, None].repeat(1, len(class_names), 1, 1)
        layouts = [self._layout(name, context.shape[-2], class_position) for name in class_names]
        require_distinct(class_names, [tokens for tokens, _ in layouts])
        longest = max(len(tokens) for tokens, _ in layouts)
        tokens = torch.stack([nn.functional.pad(tokens, (0, longest - len(tokens))) for tokens, _ in layouts])
        self.register_buffer("fixed", self.tower.embed(tokens), persistent=False)
        self.register_buffer("slots", torch.stack([slots for _, slots in layouts]), persistent=False)
        self.register_buffer("end", torch.tensor([len(t) - 1 for t, _ in layouts]), persistent=False)
        self._begins_alike = class_position == "end" and not class_specific
        self._begun = len(self.tower.start_and_end()[0])
        # It stays on the CPU, so that nothing waits for a GPU.
        self._suffix_end = self.end - context.shape[-2] - self._begun
        self.context = nn.Parameter(context)
        self.to(backbone.device)

    def _layout(self, name: str, length: int, position: str) -> tuple[Tensor, Tensor]:
        """Return a prompt's token ids, 0 in the context's places, and those places."""
        start, end = self.tower.start_and_end()
        before = _places_before(position, length)
        ids = behind_a_word(self.tower, f"{name}." if position == "end" else name, begins=before == 0)
        stop = ids[:0] if position == "end" else self.tower.tokenize(".", WORD)
        gap, rest = ids.new_zeros(before), ids.new_zeros(length - before)
        tokens = torch.cat([start, gap, ids, rest, stop, end])
        if len(tokens) > self.tower.context_length:
            raise UsageError(
                f"the prompt for class {name[:50]!r} has {len(tokens)} tokens ({length} of context), the text tower "
                f"takes {self.tower.context_length}; use a shorter name or --context-length"
            )
        places = torch.arange(length) + len(start)
        return tokens, torch.where(torch.arange(length) < before, places, places + len(ids))

    @property
    def contexts(self) -> Tensor:
        """All contexts that go through the tower, ``(R, M, d)``, or ``(R, K, M, d)`` if class-specific."""
        return self.context

    @property
    def text_pass(self) -> str:
        """How prompts go through the tower.

        ``"shared"``, the common beginning once; ``"cut"``, each by itself, up to its end; or ``"whole"``, each over
        all places by the model's own ``encode_text``.
        """
        shared = self._begins_alike and self.tower.shares_prefix and not self._waits_for_launches()
        return "shared" if shared else self.tower.text_pass

    def _waits_for_launches(self) -> bool:
        """Whether the prompts are so few that the time to start kernels decides."""
        return self.context.is_cuda and len(self.contexts) * len(self.slots) <= FEW_ON_GPU

    def forward(self) -> Tensor:
        """Return unit class weights, shape ``(R, K, D)``."""
        shared = self._begins_alike and not self._waits_for_launches()
        features = self._from_shared_context() if shared else self._from_whole_prompts()
        return nn.functional.normalize(features, dim=-1)

    def _from_shared_context(self) -> Tensor:
        contexts = self.contexts
        start = self.fixed[0, : self._begun].expand(len(contexts), -1, -1)
        prefix = torch.cat([start, contexts], dim=1)
        return self.tower.encode_shared(prefix, self.fixed[:, prefix.shape[1] :], self._suffix_end)

    def _from_whole_prompts(self) -> Tensor:
        context = self.contexts
        runs, (classes, length) = len(context), self.slots.shape
        context = context if context.dim() == 4 else context[:, None].expand(-1, classes, -1, -1)
        prompts = self.fixed.repeat(runs, 1, 1, 1)
        rows = torch.arange(classes, device=prompts.device)[:, None].expand(-1, length)
        prompts[:, rows, self.slots] = context
        return self.tower.encode(prompts.flatten(0, 1), self.end.repeat(runs)).view(runs, classes, -1)


def _places_before(position: str, length: int) -> int:
    """Return how many of a context's vectors stand before the class name."""
    return {"end": length, "middle": length // 2, "front": 0}[position]


@provides_head(
    "prompt",
    takes=("context_length", "context_init", "class_specific", "class_position"),
    random_start=random_context,
)
def prompt(backbone: Backbone, class_names: Sequence[str], seeds: Sequence[int], settings: FitSettings) -> Head:
    """Context vectors around the class names, through the frozen text tower."""
    return PromptHead(
        backbone,
        class_names,
        seeds=seeds,
        context_length=settings.context_length,
        context_init=settings.context_init,
        class_specific=settings.class_specific,
        class_position=settings.class_position,
    )
