"""Encoding a data set once: images in, feature table out, everything in between cached."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from debias_pt.backbone import Backbone
from debias_pt.cache import FeatureCache, default_cache_dir
from debias_pt.datasets.base import ImageDataset
from debias_pt.errors import ImageError, NonFiniteError
from debias_pt.features import FeatureTable
from debias_pt.hashing import content_hashes
from debias_pt.images import open_rgb
from debias_pt.progress import progress

SHARD_ROWS = 512
# Fewer images than this are read sooner than processes start.
FEW_IMAGES = 64


@dataclass(frozen=True)
class EncodeStats:
    """What an :func:`encode` call did: images in all, encoded now, seconds, and where the cache is."""

    images: int
    encoded: int
    seconds: float
    cache: str


def encode(
    backbone: Backbone,
    dataset: ImageDataset,
    *,
    cache_dir: Path | None = None,
    batch_size: int | None = None,
    workers: int | None = None,
) -> tuple[FeatureTable, EncodeStats]:
    """Encode every image of a data set that the cache does not hold yet.

    Parameters
    ----------
    backbone : Backbone
        The frozen model.
    dataset : ImageDataset
        What :func:`debias_pt.datasets.load_dataset` returns.
    cache_dir : Path, optional
        Default: ``$DEBIAS_PT_CACHE`` or ``~/.cache/debias-pt``.
    batch_size : int, optional
        Images per pass of the image tower; default 16 (what a CPU's caches like), on a GPU 128.
    workers : int, optional
        Processes that read and preprocess images; default one per core, at most 8.

    Returns
    -------
    table : FeatureTable
        N rows in the data set's order.
    stats : EncodeStats

    Raises
    ------
    ImageError
        If an image cannot be read; what was encoded before is kept.
    FingerprintError
        If the cache holds a damaged or foreign shard.
    """
    start = time.perf_counter()
    cache_dir = cache_dir or default_cache_dir()
    cache = FeatureCache(cache_dir, backbone.fingerprint)
    hashes = content_hashes(dataset.root, dataset.ids, cache_dir / "hashes")
    rows = cache.read()
    encoded = 0
    if any(key not in rows for key in hashes):
        with cache.writing():
            rows = cache.read()  # another process may have filled it meanwhile
            missing = {key: name for key, name in zip(hashes, dataset.ids, strict=True) if key not in rows}
            paths = [str(dataset.root / name) for name in missing.values()]
            for keys, features in _shards(backbone, list(missing), paths, batch_size, workers):
                cache.add(keys, features)
                rows.update(zip(keys, features, strict=True))
                encoded += len(keys)
    table = FeatureTable(
        ids=dataset.ids,
        features=np.stack([rows[key] for key in hashes]),
        y=dataset.y,
        split=dataset.split,
        class_names=dataset.class_names,
        attributes=dataset.attributes,
        name=dataset.name,
        fingerprint=backbone.fingerprint,
        image_hashes=tuple(hashes),
    )
    return table, EncodeStats(len(table), encoded, time.perf_counter() - start, str(cache.folder))


def encode_paths(
    backbone: Backbone, paths: Sequence[str], *, batch_size: int | None = None, workers: int | None = None
) -> Tensor:
    """Encode image files without a cache, giving unit features ``(n, D)`` on the CPU.

    Parameters
    ----------
    backbone, batch_size, workers
        As for :func:`encode`; but a few images are by default read without further processes.
    paths : sequence of str
        Image files.

    Raises
    ------
    ImageError
        If an image cannot be read.
    NonFiniteError
        If the model gives NaN or infinity; names the image.
    """
    workers = 0 if workers is None and len(paths) < FEW_IMAGES else workers
    batches = [torch.zeros(0, backbone.dim)]
    with progress(f"encoding with {backbone.name}", len(paths), "images") as advance:
        for batch in _batches(backbone, paths, batch_size, workers):
            batches.append(batch)
            advance(len(batch))
    features = torch.cat(batches)
    _require_finite(features.numpy(), paths)
    return features


def _shards(
    backbone: Backbone, keys: list[str], paths: list[str], batch_size: int | None, workers: int | None
) -> Iterator[tuple[list[str], NDArray[np.float32]]]:
    """Yield shards of keys and features; what is encoded when the work stops is yielded first."""
    waiting: list[Tensor] = []
    done = 0
    stopped: BaseException | None = None
    batches = _batches(backbone, paths, batch_size, workers)
    with progress(f"encoding with {backbone.name}", len(paths), "images") as advance:
        while stopped is None and done + sum(map(len, waiting)) < len(paths):
            try:
                waiting.append(next(batches))
            except (ImageError, KeyboardInterrupt) as error:
                stopped = error
            else:
                advance(len(waiting[-1]))
            size = sum(map(len, waiting))
            if size and (size >= SHARD_ROWS or stopped or done + size == len(paths)):
                features = torch.cat(waiting).numpy()
                _require_finite(features, paths[done : done + size])
                yield keys[done : done + size], features
                done, waiting = done + size, []
    if stopped is not None:
        raise stopped


def _batches(backbone: Backbone, paths: Sequence[str], batch_size: int | None, workers: int | None) -> Iterator[Tensor]:
    workers = min(os.cpu_count() or 1, 8) if workers is None else workers
    batch_size = batch_size or (128 if backbone.device.type == "cuda" else 16)
    loader = DataLoader(
        _Images(paths, backbone),
        batch_size=batch_size,
        num_workers=min(workers, max(1, len(paths) // batch_size)) if workers else 0,
        collate_fn=_collate,
        worker_init_fn=_leave_interrupts_to_the_parent,
        pin_memory=backbone.device.type == "cuda",
    )
    for images, broken in loader:
        if images is not None:
            yield backbone.encode_images(images).cpu()
        if broken is not None:
            raise ImageError(broken)


def _require_finite(features: NDArray[np.float32], paths: Sequence[str]) -> None:
    finite = np.isfinite(features).all(axis=1)
    if not finite.all():
        raise NonFiniteError(f"{paths[int(np.argmin(finite))]}: the model gave NaN or infinity; encode in fp32")


class _Images(Dataset[Tensor | str]):
    """Preprocessed images; one that cannot be read comes as its error text.

    An exception raised in a worker would arrive wrapped in the worker's traceback.
    """

    def __init__(self, paths: Sequence[str], backbone: Backbone) -> None:
        self.paths = paths
        self.preprocess = backbone.preprocess

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor | str:
        try:
            return self.preprocess(open_rgb(self.paths[index]))
        except ImageError as error:
            return str(error)


def _collate(items: list[Tensor | str]) -> tuple[Tensor | None, str | None]:
    """Stack the images up to the first broken one, and give its error text."""
    images: list[Tensor] = []
    for item in items:
        if isinstance(item, str):
            return torch.stack(images) if images else None, item
        images.append(item)
    return torch.stack(images), None


def _leave_interrupts_to_the_parent(worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
