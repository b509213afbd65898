"""The attribute probe: a frozen model is asked, in words, for the suspected attribute of every image.

DPT (arXiv 2503.08368), first step: zero-shot prompts that name the spurious attribute give pseudo
attributes, so that nobody needs to annotate it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import Tensor

from debias_pt.datasets.attributes import Attribute, PseudoAttribute
from debias_pt.errors import UsageError
from debias_pt.features.mapped import is_mapped
from debias_pt.models.backbone import Backbone
from debias_pt.settings import ZERO_SHOT
from debias_pt.utils.row_blocks import row_blocks


class AttributeProbe:
    """Zero-shot classifier for one or several attributes named in words.

    Parameters
    ----------
    backbone : Backbone
        The frozen model.
    attributes : sequence of Attribute
        What to ask. An attribute whose templates name ``{class}`` is asked within each image's class.
    class_names : sequence of str, optional
        K class names; needed for class-conditional attributes.

    Raises
    ------
    UsageError
        If a prompt does not fit into the text tower, or class names are needed and missing.

    Examples
    --------
    >>> from debias_pt import Attribute, AttributeProbe                     # doctest: +SKIP
    >>> place = Attribute("background", {"land": ["forest"], "water": ["lake", "sea"]})
    >>> probe = AttributeProbe(backbone, [place])                           # doctest: +SKIP
    >>> probe.predict(table.features)[0].labels                             # doctest: +SKIP
    """

    def __init__(self, backbone: Backbone, attributes: Sequence[Attribute], class_names: Sequence[str] = ()) -> None:
        self.attributes = tuple(attributes)
        self.class_names = tuple(class_names)
        self.logit_scale = backbone.logit_scale
        self.weights_ = [self._embed(backbone, attribute) for attribute in self.attributes]

    def _embed(self, backbone: Backbone, attribute: Attribute) -> Tensor:
        """Return unit prompt embeddings, shape (K or 1, V, D): the mean over a value's prompts."""
        if attribute.class_conditional and not self.class_names:
            raise UsageError(f"the templates of {attribute.name!r} name the class; give class_names")
        classes = self.class_names if attribute.class_conditional else ("",)
        rows = [
            backbone.encode_text(attribute.prompts(value, class_name)).mean(dim=0)
            for class_name in classes
            for value in attribute.values
        ]
        weights = torch.nn.functional.normalize(torch.stack(rows), dim=-1).cpu()
        return weights.view(len(classes), len(attribute.values), -1)

    def predict(self, features: NDArray[np.float32], y: NDArray[np.int64] | None = None) -> tuple[PseudoAttribute, ...]:
        """Ask for every attribute of N images.

        Parameters
        ----------
        features : ndarray of float, shape (N, D)
            Unit image features.
        y : ndarray of int, shape (N,), optional
            Class labels, needed by class-conditional attributes.

        Returns
        -------
        tuple of PseudoAttribute
            One per attribute, in order.

        Raises
        ------
        UsageError
            If labels are needed and missing.
        """
        return tuple(
            PseudoAttribute(attribute.name, tuple(attribute.values), softmax(scores, axis=1), ZERO_SHOT)
            for attribute, scores in zip(self.attributes, self.scores(features, y), strict=True)
        )

    def scores(
        self, features: NDArray[np.float32], y: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.float64], ...]:
        """Return the logits behind :meth:`predict`, shape ``(N, V)`` for every attribute."""
        if is_mapped(features) and len(features):  # read once, whatever is asked
            blocks = row_blocks(len(features))
            parts = [self.scores(np.array(features[rows]), None if y is None else y[rows]) for rows in blocks]
            return tuple(np.concatenate(of_attribute) for of_attribute in zip(*parts, strict=True))
        images = torch.from_numpy(np.require(features, np.float32, ["C", "W"]))
        return tuple(
            self._scores(images, weights, attribute, y)
            for attribute, weights in zip(self.attributes, self.weights_, strict=True)
        )

    def _scores(
        self, images: Tensor, weights: Tensor, attribute: Attribute, y: NDArray[np.int64] | None
    ) -> NDArray[np.float64]:
        if not attribute.class_conditional:
            cosine = images @ weights[0].T
        elif y is None:
            raise UsageError(f"the templates of {attribute.name!r} name the class; give the labels y")
        else:
            cosine = torch.einsum("nd,nvd->nv", images, weights[torch.from_numpy(y)])
        scores: NDArray[np.float64] = (cosine.double() * self.logit_scale).numpy()
        return scores
