"""Encoding image files compared with the upper limit: the bare image tower on prepared tensors."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from debias_pt.datasets.images import open_rgb
from debias_pt.errors import UsageError
from debias_pt.features.encoding import encode_paths
from debias_pt.features.loader import default_batch_size
from debias_pt.models.backbone import Backbone
from debias_pt.models.jpeg_decoder import DeviceDecoder

from .case import SpeedCase
from .timing import compare, section

# The bare tower is measured for about so long, between the fewest and the most batches.
SECONDS, QUICK_SECONDS = 6.0, 0.75
FEWEST, MOST = 6, 400


def measure(case: SpeedCase) -> list[dict[str, Any]]:
    """Time reading, preprocessing and encoding together, and the two halves separately."""
    backbone, workers = case.backbone, case.settings.workers
    size = case.settings.encode_batch_size or default_batch_size(backbone)
    paths = case.paths(size)
    ready = torch.stack([backbone.preprocess(open_rgb(path)) for path in paths])
    passes = _passes(backbone, ready, QUICK_SECONDS if case.quick else SECONDS)
    n = size * passes
    paths = case.paths(n)

    def bare(model: Backbone) -> Callable[[], object]:
        return lambda: [model.encode_images(ready) for _ in range(passes)][-1].cpu()

    def files(model: Backbone) -> Callable[[], object]:
        return lambda: encode_paths(model, paths, batch_size=size, workers=workers)

    candidates = {
        "bare image tower": bare(backbone),
        "files to features": files(backbone),
        "reading and preprocessing alone, one process": lambda: [
            backbone.preprocess(open_rgb(p)) for p in paths[:size]
        ],
    }
    for name, other in _faster(backbone).items():
        candidates |= {f"bare image tower, {name}": bare(other), f"files to features, {name}": files(other)}
    timings = compare(candidates, case.rounds)
    images = dict.fromkeys(candidates, n) | {"reading and preprocessing alone, one process": size}
    rate = {name: images[name] / timing.seconds.median for name, timing in timings.items()}
    note = (
        f"{n} images in batches of {size}, {size} of them read by one process; {backbone.device}, {backbone.precision}"
    )
    return [section("Encoding", timings, "bare image tower", note=note, images_per_second=rate)]


def _passes(backbone: Backbone, ready: Tensor, seconds: float) -> int:
    """Return how many batches take the tower about that long."""
    timing = compare({"batch": lambda: backbone.encode_images(ready).cpu()}, 3)["batch"]
    return min(max(FEWEST, round(seconds / timing.seconds.median)), MOST)


def _faster(backbone: Backbone) -> dict[str, Backbone]:
    """Return the model with the options that make encoding faster on a GPU, by name; none on a CPU."""
    if backbone.device.type != "cuda":
        return {}
    found = {"bf16": copy.copy(backbone)}
    found["bf16"].precision = "bf16"
    preprocessing = backbone.fingerprint["preprocessing"]
    try:
        decoder = DeviceDecoder(preprocessing if isinstance(preprocessing, dict) else None, backbone.device)
    except UsageError:
        return found
    for name, precision in (("decoded on the device", "fp32"), ("bf16, decoded on the device", "bf16")):
        found[name] = copy.copy(backbone)
        found[name].precision, found[name].decoder = precision, decoder
    return found
