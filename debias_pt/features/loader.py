"""Features of image files batch by batch: worker processes read and preprocess, the tower encodes.

With decoding on the device, they only read the bytes of JPEG files; all other files are still preprocessed by the
workers.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from debias_pt.datasets.images import open_rgb
from debias_pt.errors import ImageError, WorkerError
from debias_pt.models.backbone import Backbone
from debias_pt.models.jpeg_decoder import DeviceDecoder, read_jpeg
from debias_pt.utils.orphans import end_with_parent
from debias_pt.utils.time_limit import time_limit


def default_batch_size(backbone: Backbone) -> int:
    """Return the tower's batch size; on a CPU one that fits its caches."""
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
    source = _Images(paths, backbone)
    loader = DataLoader(
        source,
        batch_size=batch_size,
        num_workers=min(workers, max(1, len(paths) // batch_size)) if workers else 0,
        collate_fn=_collate,
        worker_init_fn=partial(_start_worker, os.getpid()),
        pin_memory=on_gpu,
    )
    begun: list[tuple[list[int], Tensor]] = []
    for batch in _loaded(loader):
        decoded = batch if backbone.decoder is None else _decoded(batch, backbone.decoder, source)
        good, images, broken = decoded.good, decoded.images, decoded.broken
        if images is not None:
            begun.append((good, backbone.encode_images(images)))
        # While a GPU works on one batch, the next one is copied to it; so features are fetched one batch late.
        while len(begun) > (1 if on_gpu and not broken else 0):
            rows, features = begun.pop(0)
            yield rows, features.cpu()
        if broken and bad is None:
            raise ImageError(min(broken.items())[1])
        if bad is not None:
            bad.update(broken)
    for rows, features in begun:
        yield rows, features.cpu()


def _loaded(loader: DataLoader[tuple[int, Tensor | str]]) -> Iterator[_Batch]:
    """Yield batches; a worker that was killed, by a hanging decoder or for want of memory, is an error of ours."""
    try:
        yield from loader
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        reason = " ".join(str(error).split())
        raise WorkerError(
            f"a process that reads images died ({reason}); --workers 0 --debug shows at which image, fewer workers "
            "need less memory"
        ) from error


class _Batch(NamedTuple):
    """Numbers of images with the images `(n, 3, H, W)`, error texts by number, and files still to be decoded.

    The files' bytes are one tensor: each tensor that comes from a worker takes up a file descriptor.
    """

    good: list[int]
    images: Tensor | None
    broken: dict[int, str]
    files: list[int]
    sizes: list[int]
    data: Tensor | None


class _Images(Dataset[tuple[int, Tensor | str]]):
    """Numbered preprocessed images, or the bytes of JPEG files; an unreadable one comes as its error text.

    An exception raised in a worker would arrive wrapped in the worker's traceback.
    """

    def __init__(self, paths: Sequence[str], backbone: Backbone) -> None:
        self.paths = paths
        self.preprocess, self.at_least = backbone.preprocess, backbone.decode_at_least
        self.on_device = backbone.decoder is not None

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[int, Tensor | str]:
        file = read_jpeg(self.paths[index]) if self.on_device else None
        return index, self.by_pillow(index) if file is None else file

    def by_pillow(self, index: int) -> Tensor | str:
        try:
            with time_limit(self.paths[index]):
                return self.preprocess(open_rgb(self.paths[index], self.at_least))
        except ImageError as error:
            return str(error)


def _collate(items: list[tuple[int, Tensor | str]]) -> _Batch:
    """Stack the readable images, concatenate the files, and collect the error texts of the others, all by number."""
    good = {number: item for number, item in items if isinstance(item, Tensor) and item.ndim == 3}
    files = {number: item for number, item in items if isinstance(item, Tensor) and item.ndim == 1}
    return _Batch(
        list(good),
        torch.stack(list(good.values())) if good else None,
        {number: item for number, item in items if isinstance(item, str)},
        list(files),
        [len(file) for file in files.values()],
        torch.cat(list(files.values())) if files else None,
    )


def _decoded(batch: _Batch, decoder: DeviceDecoder, source: _Images) -> _Batch:
    """Decode the files of a batch; Pillow reads, or refuses, what the device's decoder rejects."""
    items: dict[int, Tensor | str] = dict(batch.broken)
    if batch.images is not None:
        items.update(zip(batch.good, batch.images.to(decoder.device), strict=True))
    if batch.data is not None:
        for number, image in zip(batch.files, decoder(torch.split(batch.data, batch.sizes)), strict=True):
            item = source.by_pillow(number) if image is None else image
            items[number] = item if isinstance(item, str) else item.to(decoder.device)
    return _collate(sorted(items.items(), key=lambda item: item[0]))


def _start_worker(parent: int, worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets it too, and ends its workers
    end_with_parent(parent)
