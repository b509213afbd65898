"""Zero-shot class weights: what the frozen model does before any prompt is learned."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from debias_pt.backbone import Backbone
from debias_pt.errors import UsageError

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
    if "{}" not in template:
        raise UsageError(f"the template {template!r} has no {{}}; write {TEMPLATE!r}")
    return backbone.encode_text([template.replace("{}", name) for name in class_names])
