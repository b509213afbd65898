"""Sharing work on one cache: the images that are missing, block by block, each held by whoever encodes it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import BaseFileLock, Timeout

from debias_pt.features.cache import FeatureCache
from debias_pt.utils.files import make_folder, require_no_locks, system_lock

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Block:
    """Images that are encoded and stored together.

    Parameters
    ----------
    keys : tuple of str
        Their hashes in the cache.
    paths : tuple of str
        Where they are.
    """

    keys: tuple[str, ...]
    paths: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.keys)

    def __str__(self) -> str:
        return f"{len(self)} images from {self.paths[0]} to {self.paths[-1]}"


class Claims:
    """The missing images of a cache as blocks, of which each process takes those that no other one has.

    Processes that want the same images cut them into the same blocks, so that they share the work. A process that
    dies gives its blocks back (the system drops its locks). Two that cut differently may encode an image twice, which
    wastes time and harms nothing: shards are named after their content and appear whole.

    Parameters
    ----------
    cache : FeatureCache
        Where features go.
    keys, paths : sequence of str
        The missing images, in an order that is the same in every process.
    size : int
        Images a block.

    Raises
    ------
    OutputError
        If the cache's folder cannot be written to; when blocks are claimed.

    Examples
    --------
    >>> import tempfile
    >>> cache = FeatureCache(Path(tempfile.mkdtemp()), {"model": "tiny"})
    >>> with Claims(cache, ["00" * 32, "01" * 32, "02" * 32], ["a", "b", "c"], 2) as claims:
    ...     for block in claims.free():
    ...         print(block.paths)
    ...         claims.release(block)
    ('a', 'b')
    ('c',)
    """

    def __init__(self, cache: FeatureCache, keys: Sequence[str], paths: Sequence[str], size: int) -> None:
        self.cache = cache
        starts = range(0, len(keys), size)
        self.blocks = [Block(tuple(keys[i : i + size]), tuple(paths[i : i + size])) for i in starts]
        self.busy: list[Block] = []
        self._held: dict[Block, BaseFileLock] = {}
        self._no_locks = False

    def __enter__(self) -> Claims:
        """Hold nothing yet."""
        return self

    def __exit__(self, *error: object) -> None:
        """Give back what is held."""
        for block in list(self._held):
            self.release(block)

    def free(self) -> Iterator[Block]:
        """Yield the blocks that no other process holds; remember the others."""
        for block in self.blocks:
            try:
                self._acquire(block, 0)
            except Timeout:
                self.busy.append(block)
            else:
                yield from self._unless_done(block)

    def others(self) -> Iterator[Block]:
        """Wait for the blocks that others held, one by one, and yield those that are still missing.

        Whoever waits must hold no block: two processes could wait for each other.
        """
        said = False
        for block in self.busy:
            try:
                self._acquire(block, 0)
            except Timeout:
                if not said:
                    LOG.warning("waiting: another process is encoding images of these into %s", self.cache.folder)
                said = True
                self._acquire(block, -1)
            yield from self._unless_done(block)

    def release(self, block: Block) -> None:
        """Give a block back; whoever waited for it looks first whether it is done."""
        lock = self._held.pop(block, None)
        if lock is not None:
            Path(lock.lock_file).unlink(missing_ok=True)
            lock.release()

    def _unless_done(self, block: Block) -> Iterator[Block]:
        if self.cache.has_shard(block.keys):
            self.release(block)
        else:
            yield block

    def _acquire(self, block: Block, seconds: float) -> None:
        folder = make_folder(self.cache.folder)
        if self._no_locks:
            return
        lock = system_lock(folder / f".{self.cache.shard_name(block.keys)}.lock")
        try:
            lock.acquire(timeout=seconds)
        except Timeout:
            raise
        except (NotImplementedError, OSError) as error:
            require_no_locks(error, folder, "--cache-dir")
            self._no_locks = True  # a block may be encoded twice then; shards appear whole all the same
            return
        self._held[block] = lock
