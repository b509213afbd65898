"""Features of image files batch by batch: worker processes read and preprocess, the tower encodes.

With decoding on the device, they only read the bytes of JPEG files; all other files are still preprocessed by the
workers.
"""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple, cast

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from debias_pt.datasets.images import open_rgb
from debias_pt.errors import DebiasError, ImageError, WorkerError
from debias_pt.features.time_limit import time_limit
from debias_pt.models.backbone import Backbone
from debias_pt.models.jpeg_decoder import DeviceDecoder, read_jpeg
from debias_pt.utils.cleanup import end_with_parent
from debias_pt.utils.stores.addresses import is_file_here

Numbered = tuple[int, str]  # an image's number in the work, and its path
Item = tuple[Numbered, Tensor | str]


def default_batch_size(backbone: Backbone) -> int:
    """Return the tower's batch size; on a CPU one that fits its caches."""
    return batch_size_on(backbone.device.type)


def batch_size_on(kind: str) -> int:
    """Return the batch size on a kind of device, ``"cuda"`` or ``"cpu"``."""
    return 128 if kind == "cuda" else 16


def default_workers() -> int:
    """Return how many processes read and preprocess images: one per core, at most 8."""
    return min(os.cpu_count() or 1, 8)


def workers_for(images: int, batch_size: int, workers: int | None) -> int:
    """Return as many processes as there are batches for, at most `workers`.

    Examples
    --------
    >>> workers_for(100, 16, 8), workers_for(10, 16, 8), workers_for(10, 16, 0)
    (6, 1, 0)
    """
    most = default_workers() if workers is None else workers
    return min(most, max(1, images // batch_size))


def in_batches(paths: Sequence[str], size: int, first: int = 0) -> Iterator[list[Numbered]]:
    """Yield the paths with their numbers, counted from `first`, `size` at a time."""
    numbered = list(enumerate(paths, start=first))
    return (numbered[i : i + size] for i in range(0, len(numbered), size))


def batches(
    backbone: Backbone, work: Iterable[Sequence[Numbered]], workers: int, bad: dict[int, str] | None = None
) -> Iterator[tuple[list[int], Tensor]]:
    """Yield numbers of images and their features, batch by batch, in order.

    Parameters
    ----------
    backbone : Backbone
        The frozen model; batches take turns on its devices.
    work : iterable
        Batches of numbered paths; taken some batches ahead of the features.
    workers : int
        Processes that read and preprocess; 0 for this one.
    bad : dict, optional
        Collects unreadable images, number to reason.

    Raises
    ------
    ImageError
        If an image cannot be read and there is no `bad`.
    DebiasError
        If a store does not answer or refuses: no fault of an image.
    """
    on_gpu = backbone.device.type == "cuda"
    source = _Images(backbone)
    loader = DataLoader(
        source,
        batch_sampler=cast("Iterable[list[int]]", work),
        num_workers=workers,
        collate_fn=_collate,
        worker_init_fn=partial(_start_worker, os.getpid()),
        pin_memory=on_gpu,
    )
    begun: list[tuple[list[int], Tensor]] = []
    turns = itertools.cycle(range(len(backbone.devices)))
    # While a GPU works on one batch, the next one is copied to it; so features are fetched late.
    late = len(backbone.devices) - (0 if on_gpu else 1)
    for batch in _loaded(loader):
        decoded = batch if backbone.decoder is None else _decoded(batch, backbone.decoder, source)
        broken = {number: reason for (number, _), reason in decoded.broken.items()}
        if decoded.images is not None:
            numbers = [number for number, _ in decoded.good]
            begun.append((numbers, backbone.encode_images(decoded.images, next(turns))))
        while len(begun) > (0 if broken else late):
            rows, features = begun.pop(0)
            yield rows, features.cpu()
        for reason in broken.values():
            if isinstance(reason, Fault):
                raise reason.kind(reason)
        if broken and bad is None:
            raise ImageError(min(broken.items())[1])
        if bad is not None:
            bad.update(broken)
    for rows, features in begun:
        yield rows, features.cpu()


def _loaded(loader: DataLoader[Item]) -> Iterator[_Batch]:
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
    """Numbered paths with their images `(n, 3, H, W)`, error texts, and files still to be decoded.

    The files' bytes are one tensor: each tensor that comes from a worker takes up a file descriptor.
    """

    good: list[Numbered]
    images: Tensor | None
    broken: dict[Numbered, str]
    files: list[Numbered]
    sizes: list[int]
    data: Tensor | None


class Fault(str):
    """What a worker says of a store that fails; `kind` is the error to raise."""

    kind: type[DebiasError]

    @classmethod
    def of(cls, error: DebiasError) -> str:
        """Return an error as text: of one image plainly, of a store as a fault."""
        if isinstance(error, ImageError):
            return str(error)
        fault = cls(error)
        fault.kind = type(error)
        return fault


class _Images(Dataset[Item]):
    """Preprocessed images by number and path, or the bytes of JPEG files; an unreadable one comes as its error text.

    An exception raised in a worker would arrive wrapped in the worker's traceback.
    """

    def __init__(self, backbone: Backbone) -> None:
        self.preprocess, self.at_least = backbone.preprocess, backbone.decode_at_least
        self.on_device = backbone.decoder is not None

    def __getitem__(self, numbered: Numbered) -> Item:
        return self.__getitems__([numbered])[0]

    def __getitems__(self, batch: list[Numbered]) -> list[Item]:
        """Return a batch, whose files in stores are asked for at once."""
        content = _elsewhere([path for _, path in batch])
        return [(numbered, self._item(numbered[1], content.get(numbered[1]))) for numbered in batch]

    def _item(self, path: str, content: bytes | DebiasError | None) -> Tensor | str:
        if isinstance(content, DebiasError):
            return Fault.of(content)
        file = read_jpeg(path, content) if self.on_device else None
        return self.by_pillow(path, content) if file is None else file

    def by_pillow(self, path: str, content: bytes | None = None) -> Tensor | str:
        try:
            with time_limit(path):
                return self.preprocess(open_rgb(path, self.at_least, content))
        except DebiasError as error:
            return Fault.of(error)


def _elsewhere(paths: Sequence[str]) -> dict[str, bytes | DebiasError]:
    """Return the content of those files that are in stores or tar files."""
    wanted = [path for path in paths if not is_file_here(path)]
    if not wanted:
        return {}
    from debias_pt.utils.stores.read_many import read_together

    return dict(zip(wanted, read_together(wanted), strict=True))


def _collate(items: list[Item]) -> _Batch:
    """Stack the readable images, concatenate the files, and collect the error texts of the others."""
    good = {image: item for image, item in items if isinstance(item, Tensor) and item.ndim == 3}
    files = {image: item for image, item in items if isinstance(item, Tensor) and item.ndim == 1}
    return _Batch(
        list(good),
        torch.stack(list(good.values())) if good else None,
        {image: item for image, item in items if isinstance(item, str)},
        list(files),
        [len(file) for file in files.values()],
        torch.cat(list(files.values())) if files else None,
    )


def _decoded(batch: _Batch, decoder: DeviceDecoder, source: _Images) -> _Batch:
    """Decode the files of a batch; Pillow reads, or refuses, what the device's decoder rejects."""
    items: dict[Numbered, Tensor | str] = dict(batch.broken)
    if batch.images is not None:
        items.update(zip(batch.good, batch.images.to(decoder.device), strict=True))
    if batch.data is not None:
        for numbered, image in zip(batch.files, decoder(torch.split(batch.data, batch.sizes)), strict=True):
            item = source.by_pillow(numbered[1]) if image is None else image
            items[numbered] = item if isinstance(item, str) else item.to(decoder.device)
    return _collate(sorted(items.items(), key=lambda item: item[0]))


def _start_worker(parent: int, worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets it too, and ends its workers
    end_with_parent(parent)
