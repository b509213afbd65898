"""Check one architecture: prompts against its own ``encode_text``, in value, gradient and time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import torch
from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES
from PIL import Image
from torch import Tensor

from debias_pt.datasets.attributes import Attribute
from debias_pt.groups.probe import AttributeProbe
from debias_pt.models.backbone import Backbone
from debias_pt.models.heads import HEADS, PromptHead
from debias_pt.models.zero_shot import zero_shot_weights
from debias_pt.settings import FitSettings

NAMES = ("kite (bird)", "x-ray", "pileated woodpecker", "cat")
PLACE = Attribute("place", {"land": ("land",), "water": ("water",)})
WORDS = "a photo of"
LENGTH, CLASSES = 4, 10
VALUES, GRADIENTS = 1e-5, 1e-5  # bounds
IMAGE = Image.new("RGB", (8, 8))


@dataclass(frozen=True)
class Finding:
    """What was found out about an architecture.

    Attributes
    ----------
    name, tower, text_pass : str
        The architecture, how its text tower attends and is read out, and how prompts go through it.
    speed : float
        Time of ``encode_text`` over all places, divided by that of the pass, forward and backward.
    value, gradient : float
        Largest difference of unit class weights from those of ``encode_text``, over heads and prompts; and relative
        difference of the pass's gradient from that of ``encode_text`` over all places, in float64.
    """

    name: str
    tower: str
    text_pass: str
    speed: float
    value: float
    gradient: float

    @property
    def holds(self) -> bool:
        """Whether all differences are within the bounds."""
        return self.value <= VALUES and self.gradient <= GRADIENTS


def check(backbone: Backbone, config: dict[str, Any], *, rounds: int = 3) -> Finding:
    """Encode an image and words, ask the probe, and build, run and differentiate every head.

    Parameters
    ----------
    backbone : Backbone
        A stand-in; its weights are in float64 afterwards.
    config : dict
        Its configuration.
    rounds : int
        How often the passes are timed; 0 leaves it out.

    Raises
    ------
    ValueError
        If features are not finite, words make no difference, a head gets no gradient, or the gradient does not predict
        what ``encode_text`` does.
    """
    _encode_images(backbone, backbone.preprocess(IMAGE).shape)
    value = max(_positions(backbone), _heads(backbone))
    text_pass = PromptHead(backbone, NAMES, context_length=LENGTH).text_pass
    speed = _speed(backbone, rounds) if rounds else float("nan")
    backbone.model.double()
    return Finding(backbone.name, describe(config), text_pass, speed, value, _gradient(backbone))


def describe(config: dict[str, Any]) -> str:
    """Say how a text tower attends and is read out.

    Examples
    --------
    >>> describe({"text_cfg": {"no_causal_mask": True, "pool_type": "last"}})
    'looks both ways, read at the last place'
    """
    text = config["text_cfg"]
    if "hf_model_name" in text:
        kind = text["hf_model_name"].rpartition("/")[2].removesuffix("-encoder")
        pooled = "mean" if text.get("hf_pooler_type", "mean_pooler") == "mean_pooler" else "first token"
        return f"{kind} of transformers, {pooled}"
    if text.get("embed_cls"):
        return "causal, read at a class token behind the padding"
    attends = "looks both ways" if text.get("no_causal_mask") else "causal"
    return f"{attends}, read at {'the last place' if text.get('pool_type') == 'last' else 'end-of-text'}"


def _encode_images(backbone: Backbone, shape: tuple[int, ...]) -> None:
    features = backbone.encode_images(torch.randn(2, *shape, generator=torch.Generator().manual_seed(0)))
    (answer,) = AttributeProbe(backbone, [PLACE]).predict(features.numpy())
    _require(bool(torch.isfinite(features).all()), "an image's features are not finite")
    _require(bool(np.allclose(answer.posterior.sum(axis=1), 1)), "the probe's posterior does not add up to 1")


def _heads(backbone: Backbone) -> float:
    """Return the largest difference from zero-shot over heads that start there; every head has to learn."""
    differences = []
    for name in HEADS:
        kind = HEADS[name]
        words: dict[str, Any] = {"context_init": WORDS} if "context_init" in kind.takes else {}
        template: dict[str, Any] = {"template": f"{WORDS} {{}}."} if "template" in kind.takes else {}
        head = kind(backbone, NAMES, [0], FitSettings(head=name, **words, **template))
        weights = head()
        weights[0, 0, 0].backward()
        _require(
            any(float(p.grad.abs().max()) > 0 for p in head.parameters() if p.grad is not None),
            f"the head {name} gets no gradient",
        )
        if words or template:
            differences.append(_difference(weights[0], zero_shot_weights(backbone, NAMES, f"{WORDS} {{}}.")))
    return max(differences)


def _positions(backbone: Backbone) -> float:
    """Return the largest difference from zero-shot with the name in the middle of the context, and in front."""
    differences = []
    for position, template in (("middle", "a {} photo."), ("front", "{} a photo.")):
        head = PromptHead(backbone, NAMES, context_init="a photo", class_position=position)
        expected = zero_shot_weights(backbone, NAMES, template)
        _require(float((expected[0] - expected[1]).norm()) > 1e-3, "words make no difference")
        if head.context.shape[1] == 2 or position == "front":  # else the middle is within a word
            differences.append(_difference(head()[0], expected))
    return max(differences)


def _speed(backbone: Backbone, rounds: int) -> float:
    """Return how many times as fast as ``encode_text`` over all places the prompt head's pass is."""
    head = PromptHead(backbone, IMAGENET_CLASSNAMES[:CLASSES], context_length=LENGTH)
    tower = head.tower
    start = len(tower.start_and_end()[0])

    def whole() -> Tensor:
        prefix = torch.cat([head.fixed[0, :start].expand(1, -1, -1), head.context], dim=1)
        prompts = torch.cat([prefix.expand(CLASSES, -1, -1), head.fixed[:, prefix.shape[1] :]], dim=1)
        return tower.encode_whole(prompts, head.end)

    ratios = [_seconds(whole) / _seconds(head) for _ in range(rounds + 1)]  # the first warms up
    return median(ratios[1:])


def _seconds(encode: Callable[[], Tensor]) -> float:
    began = perf_counter()
    torch.autograd.backward(encode().sum())
    return perf_counter() - began


def _gradient(backbone: Backbone) -> float:
    """Return how far the pass's gradient is from that of ``encode_text``, relative to it."""
    head = PromptHead(backbone, NAMES, context_length=LENGTH)
    tower, start = head.tower, len(head.tower.start_and_end()[0])
    fixed, context = head.fixed.double(), head.context.detach().double().requires_grad_()
    generator = torch.Generator().manual_seed(1)
    step = 1e-3 * torch.randn(context.shape, generator=generator, dtype=torch.float64) * context.detach().std()

    def features(context: Tensor, whole: bool) -> Tensor:
        prefix, suffix = torch.cat([fixed[:1, :start], context], dim=1), fixed[:, start + LENGTH :]
        if not whole:
            return tower.encode_shared(prefix, suffix, head.end - start - LENGTH)[0]
        return tower.encode_whole(torch.cat([prefix.expand(len(NAMES), -1, -1), suffix], dim=1), head.end)

    direction = torch.randn(features(context, True).shape, generator=generator, dtype=torch.float64)
    found, expected = (
        torch.autograd.grad((features(context, whole) * direction).sum(), context)[0] for whole in (False, True)
    )
    with torch.no_grad():
        up, down = (features(context + sign * step, True) for sign in (1, -1))
    quotient = float(((up - down) * direction).sum() / 2)
    # T5's norms are in float32 whatever the weights are, so that the quotient has few digits there.
    _require(
        abs(float((found * step).sum()) - quotient) <= 0.01 * float(found.norm() * step.norm()),
        "the gradient does not predict what encode_text does",
    )
    return float((found - expected).norm() / expected.norm())


def _difference(found: Tensor, expected: Tensor) -> float:
    return float((found.detach() - expected).abs().max())


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)
