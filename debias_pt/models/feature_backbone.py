"""What stands for a model where there are only its features: their width, and the words that came with them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from debias_pt.errors import DebiasWarning, FingerprintError, NoModelError, UsageError
from debias_pt.models.backbone import Backbone, resolve_devices
from debias_pt.models.words import Words
from debias_pt.utils.fingerprint import require_match

LOGIT_SCALE = 100.0  # what CLIP's own ends at
ADVICE = "name the model that made them (--model, --pretrained)"


class FeatureBackbone(Backbone):
    """A backbone without a model: heads that read no words can be fitted, and words that came along looked up.

    Parameters
    ----------
    dim : int
        Size D of the features.
    words : Words, optional
        Text features of the model that made them.
    made_by : mapping, optional
        The fingerprint of that model, where it is known.
    device : str
        As of :class:`Backbone`.

    Raises
    ------
    UsageError
        If the words have another width.

    Examples
    --------
    >>> backbone = FeatureBackbone(512)
    >>> backbone
    Backbone('no model', 512 features, fp32, cpu)
    >>> backbone.encode_text(["a dog"])
    Traceback (most recent call last):
    debias_pt.errors.NoModelError: 'a dog' is a word, and these features came without any; give text features (--words), or name the model that made them (--model, --pretrained)
    """  # noqa: E501  the example is a whole message

    def __init__(
        self,
        dim: int,
        *,
        words: Words | None = None,
        made_by: Mapping[str, Any] | None = None,
        device: str = "cpu",
    ) -> None:
        if words is not None and words.features.shape[1] != dim:
            raise UsageError(
                f"{words.source}: {words.features.shape[1]} numbers a word, the features have {dim}; give the text "
                "features of the model that made them"
            )
        self.words = words
        self.devices = resolve_devices(device)
        self.device = self.devices[0]
        self.name = "no model"
        self.precision = "fp32"
        self.dim = dim
        self.logit_scale = (words.logit_scale if words else None) or LOGIT_SCALE
        self.logit_bias = None
        self.decode_at_least = None
        self.decoder = None
        self.fingerprint = {
            "features": dim,
            "made_by": maker(made_by or {}),
            "logit_scale": self.logit_scale,
            "words": words.digest if words else None,
        }

    def __getattr__(self, name: str) -> Any:
        if name in ("model", "tokenizer", "preprocess"):
            raise NoModelError(f"this needs a model, and there are only its features; {ADVICE}")
        raise AttributeError(name)

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Look up words, or prompts that name a word and nothing else; unit features ``(n, D)``.

        Raises
        ------
        NoModelError
            If the features came without words.
        UsageError
            If a word is not among them; names the nearest.
        """
        if self.words is None:
            raise NoModelError(
                f"{texts[0]!r} is a word, and these features came without any; give text features (--words), or "
                f"{ADVICE}"
            )
        return torch.from_numpy(self.words.look_up(texts)).to(self.device)

    def knows(self, words: Sequence[str]) -> NDArray[np.bool_]:
        """Tell which words came along, shape ``(n,)``."""
        return np.array([self.words is not None and self.words.row(word) is not None for word in words], dtype=bool)


def is_without_model(fingerprint: Mapping[str, Any]) -> bool:
    """Tell whether a fingerprint is of features without a model."""
    return "features" in fingerprint and "made_by" in fingerprint


def maker(fingerprint: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fingerprint of the model that made features, empty if it is not known."""
    return dict(fingerprint["made_by"] if is_without_model(fingerprint) else fingerprint)


def require_features(fingerprint: Mapping[str, Any], dim: int, backbone: Backbone, where: str) -> None:
    """Refuse features of another width than a backbone's, or that another model is known to have made.

    Parameters
    ----------
    fingerprint : mapping
        What came with the features; perhaps empty.
    dim : int
        Size of the features.
    backbone : Backbone
        The model that is to have made them, or what stands for it.
    where : str
        For messages.

    Raises
    ------
    FingerprintError
        Names the difference.

    Examples
    --------
    >>> require_features({}, 128, FeatureBackbone(512), "birds.npz")
    Traceback (most recent call last):
    debias_pt.errors.FingerprintError: birds.npz: 128 features a row, Backbone('no model', 512 features, fp32, cpu) has 512; give features of one model
    """  # noqa: E501  the example is a whole message
    if dim != backbone.dim:
        raise FingerprintError(
            f"{where}: {dim} features a row, {backbone!r} has {backbone.dim}; give features of one model"
        )
    known, wanted = maker(fingerprint), maker(backbone.fingerprint)
    if known and (wanted or not isinstance(backbone, FeatureBackbone)):
        require_match(known, wanted, f"features of {where}", "encode again")


def require_maker(fingerprint: Mapping[str, Any], dim: int, backbone: Backbone, where: str) -> None:
    """Refuse a model that did not make given features, as :func:`require_features`; say so where nothing tells.

    Warns
    -----
    DebiasWarning
        If only the size could be compared.
    """
    require_features(fingerprint, dim, backbone, where)
    if not maker(fingerprint):
        warnings.warn(
            f"{where}: nothing says which model made the features; that it was {backbone.name} is taken on trust",
            DebiasWarning,
            stacklevel=2,
        )
