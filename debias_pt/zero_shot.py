"""Zero-shot class weights: what the frozen model does before any prompt is learned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from debias_pt.backbone import Backbone
from debias_pt.errors import UsageError
from debias_pt.features import FeatureTable

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


def zero_shot_probabilities(
    backbone: Backbone, table: FeatureTable, template: str | None = None
) -> NDArray[np.float64]:
    """Return what the frozen model holds of every class for every row, shape ``(N, K)``, rows summing to 1.

    Parameters
    ----------
    backbone : Backbone
        The one that made the features.
    table : FeatureTable
        N rows.
    template : str, optional
        Prompt with ``{}``; default the data set's own.

    Raises
    ------
    UsageError
        If the template has no ``{}``, or a prompt is too long.
    """
    weights = zero_shot_weights(backbone, table.class_names, template or table.template).cpu().double()
    logits = backbone.logit_scale * torch.from_numpy(table.features).double() @ weights.T
    probabilities: NDArray[np.float64] = logits.softmax(dim=-1).numpy()
    return probabilities
