"""Filling a cache block by block, whoever encodes the blocks: this process, or the workers of a cluster."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from debias_pt.errors import FetchError, ImageError, NonFiniteError
from debias_pt.features.cache import FeatureCache
from debias_pt.features.claims import Block, Claims
from debias_pt.features.loader import Numbered, batches, in_batches, workers_for
from debias_pt.models.backbone import Backbone
from debias_pt.utils.progress import progress
from debias_pt.utils.stores.addresses import shown

SHARD_ROWS = 512


@dataclass(frozen=True)
class Encoded:
    """What became of a block.

    Parameters
    ----------
    block : Block
    rows : sequence of int
        Its images that could be read; n of them.
    features : ndarray of float32, shape (n, D)
    bad : mapping of int to str
        Why others could not be read.
    """

    block: Block
    rows: Sequence[int]
    features: NDArray[np.float32]
    bad: Mapping[int, str] = field(default_factory=dict)


class Encoder(Protocol):
    """Encodes blocks, in any order; takes a few of them ahead.

    A block of `size` images is made of whole batches, so that every engine encodes the same batches.
    """

    @property
    def size(self) -> int:
        """Images of a block."""

    def __call__(self, blocks: Iterator[Block]) -> Iterator[Encoded]:
        """Yield what became of each block, each as soon as it is known."""


def block_size(batch_size: int) -> int:
    """Return the images of a block: the least multiple of the batch size from `SHARD_ROWS` on.

    Examples
    --------
    >>> block_size(16), block_size(100)
    (512, 600)
    """
    return -(-SHARD_ROWS // batch_size) * batch_size


def fill(
    cache: FeatureCache,
    keys: Sequence[str],
    paths: Sequence[str],
    encoder: Encoder,
    title: str,
    unreadable: dict[str, str] | None = None,
) -> int:
    """Encode missing images and store them block by block; return how many.

    Parameters
    ----------
    cache : FeatureCache
        Where features go; what is stored stays, whatever happens then.
    keys, paths : sequence of str
        The images.
    encoder : Encoder
        Who encodes them.
    title : str
        Of the model, for the progress.
    unreadable : dict, optional
        Collects unreadable images, key to reason.

    Raises
    ------
    ImageError
        If an image cannot be read and there is no `unreadable`.
    OutputError
        If the cache cannot be written to.
    """
    encoded = 0
    with (
        Claims(cache, keys, paths, encoder.size) as claims,
        progress(f"encoding with {title}", len(keys), "images") as advance,
    ):
        for done in (done for blocks in _rounds(claims) for done in encoder(blocks)):
            if done.rows:
                cache.add([done.block.keys[row] for row in done.rows], done.features)
            claims.release(done.block)
            encoded += len(done.rows)
            advance(len(done.block))
            if done.bad and unreadable is None:
                raise ImageError(min(done.bad.items())[1])
            if unreadable is not None:
                unreadable.update({done.block.keys[row]: reason for row, reason in done.bad.items()})
    return encoded


def _rounds(claims: Claims) -> Iterator[Iterator[Block]]:
    """Yield all blocks that are free, then one by one those of others, with nothing in hand while waiting."""
    yield claims.free()
    for block in claims.others():
        yield iter([block])


@dataclass(frozen=True)
class LocalEncoder:
    """Encodes in this process, on all devices of a backbone.

    Parameters
    ----------
    backbone : Backbone
    batch_size : int
    workers : int or None
        Processes that read images; default one per core, at most 8.
    images : int
        How many there are in all: fewer batches need fewer processes.
    """

    backbone: Backbone
    batch_size: int
    workers: int | None
    images: int

    @property
    def size(self) -> int:
        """Images of a block."""
        return block_size(self.batch_size)

    def __call__(self, blocks: Iterator[Block]) -> Iterator[Encoded]:
        """Yield blocks in their order; what is done of one when the user interrupts comes before the interrupt."""
        begun: deque[_Begun] = deque()
        bad: dict[int, str] = {}
        workers = workers_for(self.images, self.batch_size, self.workers)
        found = batches(self.backbone, self._work(blocks, begun), workers, bad)
        interrupt: KeyboardInterrupt | FetchError | None = None
        while True:
            try:
                numbers, features = next(found)
            except StopIteration:
                break
            except (KeyboardInterrupt, FetchError) as error:  # of a store that does not answer any more
                interrupt = error
                break
            next(one for one in begun if numbers[0] < one.end).take(numbers, features)
            while begun and begun[0].complete(bad):
                yield begun.popleft().encoded(bad)
        for one in begun:
            if one.rows or interrupt is None:
                yield one.encoded(bad)
        if interrupt is not None:
            raise interrupt

    def _work(self, blocks: Iterable[Block], begun: deque[_Begun]) -> Iterator[list[Numbered]]:
        """Yield batches of numbered paths; a block is claimed when its first batch is wanted."""
        first = 0
        for block in blocks:
            begun.append(_Begun(block, first))
            yield from in_batches(block.paths, self.batch_size, first)
            first += len(block)


@dataclass
class _Begun:
    """A block under way: its first image's number in the work, and what has been encoded so far."""

    block: Block
    first: int
    rows: list[int] = field(default_factory=list)
    parts: list[Tensor] = field(default_factory=list)

    @property
    def end(self) -> int:
        return self.first + len(self.block)

    def take(self, numbers: Sequence[int], features: Tensor) -> None:
        self.rows += [number - self.first for number in numbers]
        self.parts.append(features)

    def complete(self, bad: Mapping[int, str]) -> bool:
        return len(self.rows) + sum(number in bad for number in range(self.first, self.end)) == len(self.block)

    def encoded(self, bad: Mapping[int, str]) -> Encoded:
        features = torch.cat(self.parts).numpy() if self.parts else np.empty((0, 0), np.float32)
        require_finite(features, [self.block.paths[row] for row in self.rows])
        own = {number - self.first: bad[number] for number in range(self.first, self.end) if number in bad}
        return Encoded(self.block, self.rows, features, own)


def require_finite(features: NDArray[np.float32], paths: Sequence[str]) -> None:
    """Refuse NaN and infinity, naming the first image that has them.

    Raises
    ------
    NonFiniteError
        With the image's path.
    """
    finite = np.isfinite(features).all(axis=1)
    if not finite.all():
        raise NonFiniteError(f"{shown(paths[int(np.argmin(finite))])}: the model gave NaN or infinity; encode in fp32")
