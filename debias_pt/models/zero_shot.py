"""Zero-shot class weights: what the frozen model does before any prompt is learned."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from debias_pt.errors import UsageError
from debias_pt.models.backbone import Backbone

TEMPLATE = "a photo of a {}."


def zero_shot_weights(backbone: Backbone, class_names: Sequence[str], template: str = TEMPLATE) -> Tensor:
    """Return unit text embeddings of the class names in a template, shape ``(K, D)``.

    Raises
    ------
    UsageError
        If the template has no ``{}``, or a prompt is too long.

    Examples
    --------
    >>> zero_shot_weights(backbone, ["landbird", "waterbird"]).shape      # doctest: +SKIP
    torch.Size([2, 512])
    """
    return backbone.encode_text(class_prompts(class_names, template))


def class_prompts(class_names: Sequence[str], template: str = TEMPLATE) -> list[str]:
    """Return the class names in a template.

    Raises
    ------
    UsageError
        If the template has no ``{}``.

    Examples
    --------
    >>> class_prompts(["landbird", "waterbird"])
    ['a photo of a landbird.', 'a photo of a waterbird.']
    """
    require_template(template)
    return [template.replace("{}", name) for name in class_names]


def require_template(template: str) -> None:
    """Refuse a template without a place for the class name."""
    if "{}" not in template:
        raise UsageError(f"the template {template!r} has no {{}}; write {TEMPLATE!r}")
