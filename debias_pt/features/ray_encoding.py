"""Encoding on a Ray cluster: each worker holds the model, blocks of paths go in, features come back to be stored."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from debias_pt.cluster.join import joined
from debias_pt.cluster.spread import Workers
from debias_pt.errors import FingerprintError, UsageError, WorkerError
from debias_pt.features.blocks import Encoded, block_size, require_finite
from debias_pt.features.claims import Block
from debias_pt.features.loader import batch_size_on, batches, in_batches
from debias_pt.models.backbone import Backbone
from debias_pt.utils.fingerprint import require_match
from debias_pt.utils.versions import public_versions

# What must be the same on every machine, for features to be the same bit for bit.
SAME = ("debias-pt", "torch", "torchvision", "open_clip_torch", "pillow")
GPU_BLOCKS = 16  # blocks at once on a GPU, whose reading processes take a moment to start
Result = tuple[list[int], NDArray[np.float32], dict[int, str]]


def installed() -> dict[str, str]:
    """Return the versions that features depend on."""
    return public_versions(SAME)


class ImageWorker:
    """A worker with the model on its core or GPU.

    Parameters
    ----------
    source : tuple
        Model and weights, as ``Backbone.load`` takes them.
    options : mapping
        ``device``, ``precision``, ``draft``, ``decode``.
    readers : int
        Processes that read images; 0 for this one.
    folder : str
        Where relative paths begin, if this machine has that folder.
    """

    def __init__(
        self, source: tuple[str | None, str | None], options: Mapping[str, Any], readers: int, folder: str
    ) -> None:
        with suppress(OSError):
            os.chdir(folder)
        if options["device"] == "cpu":
            torch.set_num_threads(1)  # as many as it asked the cluster for
        self.backbone = Backbone.load(*source, **options)
        self.readers = readers

    def greet(self) -> dict[str, Any]:
        """Say who this is, with what packages and which model."""
        return {"host": socket.gethostname(), "versions": installed(), "model": self.backbone.fingerprint}

    def encode(self, paths: tuple[str, ...], batch_size: int) -> Result:
        """Return which images could be read, their features, and why others could not be.

        Raises
        ------
        WorkerError
            If it is this machine that cannot do it: a full disk, no memory, a folder that it does not see.
        """
        try:
            return self._encode(paths, batch_size)
        except (OSError, MemoryError, WorkerError) as error:
            raise WorkerError(f"the worker on {socket.gethostname()}: {str(error) or 'out of memory'}") from None

    def _encode(self, paths: tuple[str, ...], batch_size: int) -> Result:
        bad: dict[int, str] = {}
        found = list(batches(self.backbone, in_batches(paths, batch_size), self.readers, bad))
        rows = [row for numbers, _ in found for row in numbers]
        features = torch.cat([torch.zeros(0, self.backbone.dim), *[part for _, part in found]]).numpy()
        require_finite(features, [paths[row] for row in rows])
        _require_folders([paths[row] for row in bad])
        return rows, features, bad


def _require_folders(unreadable: Sequence[str]) -> None:
    """Raise if images cannot be read because their folder is missing: the program that sends them has read them."""
    for path in unreadable:
        if os.path.isabs(path) and not os.path.isdir(os.path.dirname(path)):
            raise WorkerError(f"there is no folder {os.path.dirname(path)} here; images must lie where all see them")


def check_worker(greeting: Mapping[str, Any], fingerprint: Mapping[str, Any]) -> None:
    """Refuse a worker with other packages or another model than here.

    Raises
    ------
    FingerprintError
        Names the machine, what differs, and both values.
    """
    where = f"the worker on {greeting['host']}"
    for name, version in installed().items():
        seen = greeting["versions"].get(name, "missing")
        if seen != version:
            raise FingerprintError(f"{where}: its {name} is {seen}, here it is {version}; install the same everywhere")
    require_match(greeting["model"], fingerprint, where, "give all machines the same weights")


@dataclass(frozen=True)
class RayEncoder:
    """Encodes blocks on a cluster's workers; a lost worker's blocks are done again by others.

    Parameters
    ----------
    workers : Workers
        Image workers.
    batch_size : int
    size : int
        Images of a block.
    """

    workers: Workers[Any]
    batch_size: int
    size: int

    def __call__(self, blocks: Iterator[Block]) -> Iterator[Encoded]:
        """Yield blocks in the order in which they are done."""
        send = partial(_send, batch_size=self.batch_size)
        for block, (rows, features, bad) in self.workers.spread(blocks, send):
            yield Encoded(block, rows, np.asarray(features), bad)


def _send(actor: Any, block: Block, batch_size: int) -> Any:
    return actor.encode.remote(tuple(map(_absolute, block.paths)), batch_size)


def _absolute(path: str) -> str:
    return path if "://" in path else os.path.abspath(path)


@contextmanager
def ray_encoder(
    engine: str, backbone: Backbone, batch_size: int | None, readers: int | None, images: int
) -> Iterator[RayEncoder]:
    """Join a cluster, start a worker on each GPU, or on each core where there is none, and check each of them.

    Parameters
    ----------
    engine : str
        ``ray`` or ``ray:ADDRESS``.
    backbone : Backbone
        What the workers must have; loaded by name or path, which they see too.
    batch_size : int, optional
        As for one machine.
    readers : int, optional
        Reading processes of each worker; default none on a core, on a GPU its share of the machine's cores.
    images : int
        How many there are: there are no more workers than blocks.

    Raises
    ------
    UsageError
        If there is no such cluster, or the model was made by hand.
    FingerprintError
        If a worker has another version or other weights.
    """
    if backbone.source == (None, None):
        raise UsageError(f"the model {backbone.name!r} was made by hand; workers can load one by name or path only")
    with joined(engine) as ray:
        hire = partial(_hire, ray, backbone, readers)
        gpus = _gpus(ray, backbone)
        batch = batch_size or batch_size_on("cuda" if gpus else "cpu")
        size = block_size(batch) * (GPU_BLOCKS if gpus else 1)
        number = min(gpus or int(ray.cluster_resources().get("CPU", 1)), -(-images // size))
        workers: Workers[dict[str, Any]] = Workers(
            ray,
            hire,
            lambda actor: actor.greet.remote(),
            partial(check_worker, fingerprint=backbone.fingerprint),
            number,
        )
        try:
            workers.gather()
            yield RayEncoder(workers, batch, size)
        finally:
            workers.dismiss()


def _gpus(ray: Any, backbone: Backbone) -> int:
    """Return how many GPUs to use: none if the model is on the CPU of a machine that has one."""
    unwanted = backbone.device.type == "cpu" and torch.cuda.is_available()
    return 0 if unwanted else int(ray.cluster_resources().get("GPU", 0))


def _hire(ray: Any, backbone: Backbone, readers: int | None) -> Any:
    gpus = _gpus(ray, backbone)
    cores = max(1, int(ray.cluster_resources().get("CPU", 1)) // gpus) if gpus else 1
    options = {
        "device": "cuda:0" if gpus else "cpu",
        "precision": backbone.precision,
        "draft": backbone.decode_at_least is not None,
        "decode": "cpu" if backbone.decoder is None else "device",
    }
    own = readers if readers is not None else cores if gpus else 0
    made = ray.remote(ImageWorker).options(num_cpus=cores, num_gpus=1 if gpus else 0)
    return made.remote(backbone.source, options, own, os.getcwd())
