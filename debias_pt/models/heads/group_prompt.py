"""Several prompts per class, the best of which answers: room for a class that looks different from group to group."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from debias_pt.errors import UsageError
from debias_pt.models.backbone import Backbone
from debias_pt.models.heads.base import Head, class_logits, provides_head
from debias_pt.models.heads.prompt import PromptHead
from debias_pt.settings import FitSettings


class GroupPromptHead(PromptHead):
    """V prompts per class; a class's logit is the log of the summed exponentials of its prompts' logits.

    GroupCoOp (arXiv 2509.23781) learns a prompt per group, and those of a class are its several classifiers. This
    construction is ours, made from that sentence: any prompt of a class may answer, and none is assigned to a group,
    since prompts that were fitted to tell groups apart did no better (docs/methods/prompts.md). The scheduler's weights
    are by group, as with every head.

    Parameters
    ----------
    backbone, class_names
        As for :class:`~debias_pt.models.heads.prompt.PromptHead`.
    seeds : sequence of int
        One per run; R of them. A seed draws the run's V contexts, which are therefore never equal.
    prompts_per_class : int
        V, 2 or more: one prompt would be the head ``prompt``.
    context_length, class_specific, class_position
        As for :class:`~debias_pt.models.heads.prompt.PromptHead`.

    Attributes
    ----------
    context : Parameter, shape (R, V, M, d), or (R, V, K, M, d) if class-specific
        What is learned.

    Raises
    ------
    UsageError
        If an option is out of range or a prompt does not fit into the text tower.

    Examples
    --------
    >>> head = GroupPromptHead(backbone, ["landbird", "waterbird"], seeds=[0], prompts_per_class=3)   # doctest: +SKIP
    >>> head().shape, head.logits(head(), features).shape                                              # doctest: +SKIP
    (torch.Size([1, 6, 512]), torch.Size([1, 4795, 2]))
    """

    def __init__(
        self,
        backbone: Backbone,
        class_names: Sequence[str],
        *,
        seeds: Sequence[int] = (0,),
        prompts_per_class: int = 2,
        context_length: int | None = None,
        class_specific: bool = False,
        class_position: str = "end",
    ) -> None:
        if prompts_per_class < 2:
            raise UsageError(f"prompts_per_class is {prompts_per_class}; give 2 or more, or take the head prompt")
        super().__init__(
            backbone,
            class_names,
            seeds=[seed * prompts_per_class + number for seed in seeds for number in range(prompts_per_class)],
            context_length=context_length,
            class_specific=class_specific,
            class_position=class_position,
        )
        self.classes = len(class_names)
        drawn = self.context.detach()
        self.context = nn.Parameter(drawn.view(len(seeds), prompts_per_class, *drawn.shape[1:]))

    @property
    def contexts(self) -> Tensor:
        """All contexts that go through the tower, ``(R V, M, d)``, or ``(R V, K, M, d)`` if class-specific."""
        return self.context.flatten(0, 1)

    def forward(self) -> Tensor:
        """Return unit class weights, shape ``(R, K V, D)``; those of a class lie beside each other."""
        weights = super().forward()
        return weights.view(*self.context.shape[:2], *weights.shape[1:]).transpose(1, 2).flatten(1, 2)

    def logits(self, weights: Tensor, features: Tensor) -> Tensor:
        """Return logits ``(R, B, K)`` for class weights ``(R, K V, D)``."""
        return class_logits(super().logits(weights, features), self.classes)


@provides_head(
    "group-prompt",
    takes=("context_length", "class_specific", "class_position", "prompts_per_class"),
    random_start=lambda settings: True,
    linear=False,
)
def group_prompt(backbone: Backbone, class_names: Sequence[str], seeds: Sequence[int], settings: FitSettings) -> Head:
    """Several prompts per class, the best of which answers (after GroupCoOp's group prompts)."""
    return GroupPromptHead(
        backbone,
        class_names,
        seeds=seeds,
        prompts_per_class=settings.prompts_per_class,
        context_length=settings.context_length,
        class_specific=settings.class_specific,
        class_position=settings.class_position,
    )
