"""The heads that ``--head`` names, built from settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from debias_pt.models.backbone import Backbone
from debias_pt.models.heads.base import Head
from debias_pt.models.heads.class_tokens import ClassTokenHead
from debias_pt.models.heads.linear import LinearHead
from debias_pt.models.heads.prompt import PromptHead
from debias_pt.models.heads.text_encoder import TextEncoderHead
from debias_pt.models.zero_shot import TEMPLATE, zero_shot_weights
from debias_pt.settings import FitSettings
from debias_pt.utils.registry import register

Build = Callable[[Backbone, Sequence[str], Sequence[int], FitSettings], Head]
HEADS: dict[str, Build] = {}
# The settings that describe a prompt, and which of them each head takes.
PROMPT_OPTIONS = ("template", "context_length", "context_init", "class_specific", "class_position")
TAKES: dict[str, tuple[str, ...]] = {
    "prompt": ("context_length", "context_init", "class_specific", "class_position"),
    "linear": (),
    "linear-from-text": ("template",),
    "text-encoder": ("template",),
    "class-tokens": ("template",),
    "full-prompt": ("context_length", "context_init"),
}


@register(HEADS, "prompt")
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


@register(HEADS, "linear")
def linear(backbone: Backbone, class_names: Sequence[str], seeds: Sequence[int], settings: FitSettings) -> Head:
    """Class weights with a random start: a linear probe (PTNL's Classifier-R). The text tower is not used."""
    head = LinearHead(backbone.dim, len(class_names), seeds=seeds, scale=backbone.logit_scale)
    return head.to(backbone.device)


@register(HEADS, "linear-from-text")
def linear_from_text(
    backbone: Backbone, class_names: Sequence[str], seeds: Sequence[int], settings: FitSettings
) -> Head:
    """Class weights that start from the class names' embeddings, hence zero-shot (PTNL's Classifier-C)."""
    start = zero_shot_weights(backbone, class_names, settings.template or TEMPLATE)
    head = LinearHead(backbone.dim, len(class_names), seeds=seeds, start=start, scale=backbone.logit_scale)
    return head.to(backbone.device)


@register(HEADS, "text-encoder")
def text_encoder(backbone: Backbone, class_names: Sequence[str], seeds: Sequence[int], settings: FitSettings) -> Head:
    """Text towers that learn, behind fixed words (PTNL's TEnc-FT)."""
    return TextEncoderHead(backbone, class_names, seeds=seeds, template=settings.template or TEMPLATE)


@register(HEADS, "class-tokens")
def class_tokens(backbone: Backbone, class_names: Sequence[str], seeds: Sequence[int], settings: FitSettings) -> Head:
    """Token embeddings of the class names, among fixed words (PTNL's CLS tuning)."""
    return ClassTokenHead(backbone, class_names, seeds=seeds, template=settings.template or TEMPLATE)


@register(HEADS, "full-prompt")
def full_prompt(backbone: Backbone, class_names: Sequence[str], seeds: Sequence[int], settings: FitSettings) -> Head:
    """Context vectors and the class names' token embeddings (PTNL's full tuning)."""
    return ClassTokenHead(
        backbone,
        class_names,
        seeds=seeds,
        context_init=settings.context_init,
        context_length=settings.context_length,
    )


def starts_at_random(settings: FitSettings) -> bool:
    """Return whether a seed changes what the head starts from."""
    return settings.head == "linear" or (
        settings.head in ("prompt", "full-prompt") and settings.context_init == "random"
    )
