"""Features of image files batch by batch: worker processes read and preprocess, the tower encodes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from debias_pt.backbone import Backbone
from debias_pt.errors import ImageError
from debias_pt.images import open_rgb


def default_batch_size(backbone: Backbone) -> int:
    """Return how many images go through the tower at once: on a CPU what its caches like."""
    return 128 if backbone.device.type == "cuda" else 16


def default_workers() -> int:
    """Return how many processes read and preprocess images: one per core, at most 8."""
    return min(os.cpu_count() or 1, 8)


def batches(
    backbone: Backbone,
    paths: Sequence[str],
    batch_size: int | None,
    workers: int | None,
    bad: dict[int, str] | None = None,
) -> Iterator[tuple[list[int], Tensor]]:
    """Yield numbers of paths and their features; an image that cannot be read goes to `bad`, or is an error."""
    workers = default_workers() if workers is None else workers
    batch_size = batch_size or default_batch_size(backbone)
    on_gpu = backbone.device.type == "cuda"
    loader = DataLoader(
        _Images(paths, backbone),
        batch_size=batch_size,
        num_workers=min(workers, max(1, len(paths) // batch_size)) if workers else 0,
        collate_fn=_collate,
        worker_init_fn=_leave_interrupts_to_the_parent,
        pin_memory=on_gpu,
    )
    begun: list[tuple[list[int], Tensor]] = []
    for good, images, broken in loader:
        if images is not None:
            begun.append((good, backbone.encode_images(images)))
        # A GPU is still at work on the last batch while the next one is copied to it: fetch the one before.
        while len(begun) > (1 if on_gpu and not broken else 0):
            rows, features = begun.pop(0)
            yield rows, features.cpu()
        if broken and bad is None:
            raise ImageError(min(broken.items())[1])
        if bad is not None:
            bad.update(broken)
    for rows, features in begun:
        yield rows, features.cpu()


class _Images(Dataset[tuple[int, Tensor | str]]):
    """Numbered preprocessed images; one that cannot be read comes as its error text.

    An exception raised in a worker would arrive wrapped in the worker's traceback.
    """

    def __init__(self, paths: Sequence[str], backbone: Backbone) -> None:
        self.paths = paths
        self.preprocess, self.at_least = backbone.preprocess, backbone.decode_at_least

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[int, Tensor | str]:
        try:
            return index, self.preprocess(open_rgb(self.paths[index], self.at_least))
        except ImageError as error:
            return index, str(error)


def _collate(items: list[tuple[int, Tensor | str]]) -> tuple[list[int], Tensor | None, dict[int, str]]:
    """Stack the images that can be read, with their numbers, and give the others' error texts by number."""
    good = [(number, image) for number, image in items if isinstance(image, Tensor)]
    broken = {number: text for number, text in items if isinstance(text, str)}
    return [number for number, _ in good], torch.stack([image for _, image in good]) if good else None, broken


def _leave_interrupts_to_the_parent(worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
