"""Encoding a data set once: images in, feature table out, everything in between cached."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from debias_pt.datasets.base import ImageDataset
from debias_pt.datasets.image_keys import image_keys
from debias_pt.errors import DebiasWarning, ImageError
from debias_pt.features.blocks import Encoder, LocalEncoder, fill, require_finite
from debias_pt.features.cache import FeatureCache, table_features
from debias_pt.features.loader import batches, default_batch_size, in_batches, workers_for
from debias_pt.features.table import FeatureTable
from debias_pt.models.backbone import Backbone
from debias_pt.utils.files import default_cache_dir
from debias_pt.utils.progress import progress

# Reading fewer images than this takes less time than starting processes.
FEW_IMAGES = 64


@dataclass(frozen=True)
class EncodeStats:
    """What an :func:`encode` call did.

    Parameters
    ----------
    images : int
        Rows of the table.
    encoded : int
        Images that were not in the cache.
    seconds : float
        Wall time.
    cache : str
        Its folder.
    skipped : mapping of str to str
        Why an image is not in the table, by id.
    """

    images: int
    encoded: int
    seconds: float
    cache: str
    skipped: Mapping[str, str] = field(default_factory=dict)


def encode(backbone: Backbone, dataset: ImageDataset, **options: Any) -> FeatureTable:
    """Encode every image of a data set that the cache does not hold yet, and return the table of features.

    Parameters
    ----------
    backbone : Backbone
        The frozen model.
    dataset : ImageDataset
        What :func:`debias_pt.datasets.load_dataset` returns.
    **options
        As for :func:`encode_with_stats`: ``cache_dir``, ``batch_size``, ``workers``, ``skip_bad``, ``engine``.

    Returns
    -------
    FeatureTable
        N rows in the data set's order.

    Raises
    ------
    ImageError
        If an image cannot be read.

    Examples
    --------
    >>> table = encode(Backbone.load("mini"), load_dataset("waterbirds-mini"))   # doctest: +SKIP
    """
    return encode_with_stats(backbone, dataset, **options)[0]


def encode_with_stats(
    backbone: Backbone,
    dataset: ImageDataset,
    *,
    cache_dir: Path | None = None,
    batch_size: int | None = None,
    workers: int | None = None,
    skip_bad: bool = False,
    engine: str | None = None,
) -> tuple[FeatureTable, EncodeStats]:
    """Encode as :func:`encode` does, and also say what was done.

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
    skip_bad : bool
        Leave out images that are missing or cannot be read, warn, and list them in the stats.
    engine : str, optional
        ``"ray"`` or ``"ray:ADDRESS"`` encodes on the workers of a Ray cluster, which see the same paths; with the same
        kind of device and threads the features are those of one machine, bit for bit. Default: this process.

    Returns
    -------
    table : FeatureTable
        N rows in the data set's order.
    stats : EncodeStats

    Raises
    ------
    ImageError
        If an image cannot be read (with `skip_bad`: if none can); what was encoded before is kept.
    FingerprintError
        If the cache holds a damaged or foreign shard.
    """
    start = time.perf_counter()
    cache_dir = cache_dir or default_cache_dir()
    cache = FeatureCache(cache_dir, backbone.fingerprint)
    skipped: dict[str, str] = {}
    unreadable: dict[str, str] = {}  # by hash: the same file may appear in several places
    hashes = image_keys(dataset, dataset.ids, cache_dir / "hashes", skipped if skip_bad else None)
    rows = cache.read()
    encoded = 0
    missing = rows.missing(hashes)
    if missing:
        names = dict(zip(hashes, dataset.ids, strict=True))
        paths = [dataset.path(names[key]) for key in missing]
        with _encoder(engine, backbone, batch_size, workers, len(missing)) as encoder:
            encoded = fill(cache, missing, paths, encoder, backbone.name, unreadable if skip_bad else None)
        rows = cache.read()
    if skip_bad:
        skipped |= {name: unreadable[key] for name, key in zip(dataset.ids, hashes, strict=True) if key in unreadable}
        kept = [row for row, name in enumerate(dataset.ids) if name not in skipped]
        warn_of_skipped(skipped, len(dataset))
        dataset, hashes = dataset.rows(kept), [hashes[row] for row in kept]
    table = FeatureTable(
        ids=dataset.ids,
        features=table_features(rows, hashes, cache.folder, str(dataset.root.resolve())),
        y=dataset.y,
        split=dataset.split,
        class_names=dataset.class_names,
        attributes=dataset.attributes,
        name=dataset.name,
        fingerprint=backbone.fingerprint,
        image_hashes=tuple(hashes),
        template=dataset.template,
    )
    return table, EncodeStats(len(table), encoded, time.perf_counter() - start, str(cache.folder), skipped)


def _encoder(
    engine: str | None, backbone: Backbone, batch_size: int | None, workers: int | None, images: int
) -> AbstractContextManager[Encoder]:
    if engine is None:
        return nullcontext(LocalEncoder(backbone, batch_size or default_batch_size(backbone), workers, images))
    from debias_pt.features.ray_encoding import ray_encoder

    return ray_encoder(engine, backbone, batch_size, workers, images)


def warn_of_skipped(skipped: Mapping[str, str], total: int) -> None:
    """Warn of images that are left out; raise if no image remains.

    Parameters
    ----------
    skipped : mapping of str to str
        Reasons by id.
    total : int
        Images in all.
    """
    if not skipped:
        return
    reason = next(iter(skipped.values()))
    if len(skipped) == total:
        raise ImageError(f"none of {total} images can be read, first: {reason}")
    message = f"{len(skipped)} of {total} images cannot be read and are left out, first: {reason}"
    warnings.warn(message, DebiasWarning, stacklevel=3)


def encode_paths(
    backbone: Backbone,
    paths: Sequence[str],
    *,
    batch_size: int | None = None,
    workers: int | None = None,
    bad: dict[int, str] | None = None,
) -> Tensor:
    """Encode image files without a cache, giving unit features ``(n, D)`` on the CPU.

    Parameters
    ----------
    backbone, batch_size, workers
        As for :func:`encode`, but by default a few images are read without worker processes.
    paths : sequence of str
        Image files.
    bad : dict, optional
        Collects unreadable images, number to reason; the features are then those of the others.

    Raises
    ------
    ImageError
        If an image cannot be read and there is no `bad`.
    NonFiniteError
        If the model gives NaN or infinity; names the image.
    """
    workers = 0 if workers is None and len(paths) < FEW_IMAGES else workers
    size = batch_size or default_batch_size(backbone)
    parts = [torch.zeros(0, backbone.dim)]
    with progress(f"encoding with {backbone.name}", len(paths), "images") as advance:
        work = in_batches(paths, size)
        for rows, features in batches(backbone, work, workers_for(len(paths), size, workers), bad):
            require_finite(features.numpy(), [paths[row] for row in rows])
            parts.append(features)
            advance(len(rows))
    return torch.cat(parts)


def encode_tensors(backbone: Backbone, images: Sequence[Tensor], names: Sequence[str]) -> NDArray[np.float32]:
    """Encode preprocessed images without a cache, giving unit features ``(n, D)``; `names` are for messages."""
    size = default_batch_size(backbone)
    parts = [backbone.encode_images(torch.stack(list(images[i : i + size]))).cpu() for i in range(0, len(images), size)]
    features: NDArray[np.float32] = torch.cat(parts).numpy()
    require_finite(features, names)
    return features
