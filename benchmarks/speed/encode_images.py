"""Encoding image files compared with the upper limit: the bare image tower on prepared tensors."""

from __future__ import annotations

from typing import Any

import torch

from debias_pt.datasets.images import open_rgb
from debias_pt.features.encoding import encode_paths
from debias_pt.features.loader import default_batch_size

from .case import Case
from .sections import section
from .timing import compare


def measure(case: Case) -> list[dict[str, Any]]:
    """Time reading, preprocessing and encoding together, and the two halves separately."""
    backbone, workers = case.backbone, case.settings.workers
    size = case.settings.encode_batch_size or default_batch_size(backbone)
    n = size * (6 if case.quick else 24)
    paths = case.paths(n)
    ready = torch.stack([backbone.preprocess(open_rgb(path)) for path in paths[:size]])

    def bare() -> None:
        for _ in range(n // size):
            backbone.encode_images(ready).cpu()

    timings = compare(
        {
            "bare image tower": bare,
            "files to features": lambda: encode_paths(backbone, paths, batch_size=size, workers=workers),
            "reading and preprocessing alone, one process": lambda: [backbone.preprocess(open_rgb(p)) for p in paths],
        },
        case.rounds,
    )
    rate = {name: n / timing.seconds.median for name, timing in timings.items()}
    note = f"{n} images in batches of {size}, {backbone.device}, {backbone.precision}"
    return [section("Encoding", timings, "bare image tower", note=note, images_per_second=rate)]
