"""What a cache's index costs at a given number of images: ``python -m studies.index_size``.

Shards are simulated: keys are random, as SHA-256 hashes are, and no features are written.
"""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from debias_pt.features.cache import KEY, CachedRows

LOOKUPS = 10_000


def measure(rows: int, shard_rows: int, seed: int = 0) -> dict[str, Any]:
    """Build the index of so many random keys and look some of them up.

    Parameters
    ----------
    rows : int
        Images.
    shard_rows : int
        Images of a shard.
    seed : int
        Of the keys.

    Returns
    -------
    dict
        ``shards``, ``bytes_per_row`` of the index, ``build_seconds``, ``lookup_microseconds`` of one key, ``peak_gib``
        of the process, and ``found`` of the 10,000 keys looked up.
    """
    rng = np.random.default_rng(seed)
    sizes = [min(shard_rows, rows - first) for first in range(0, rows, shard_rows)]
    keys = [np.frombuffer(rng.bytes(32 * size), dtype=KEY) for size in sizes]
    wanted = [keys[i % len(keys)][i % len(keys[i % len(keys)])] for i in range(min(LOOKUPS, rows))]
    hashes = [bytes(key).ljust(32, b"\0").hex() for key in wanted]
    start = time.perf_counter()
    index = CachedRows.of(keys, [Path(str(i)) for i in range(len(keys))], 512)
    built = time.perf_counter()
    missing = index.missing(hashes)
    looked_up = time.perf_counter()
    return {
        "rows": len(index),
        "shards": len(keys),
        "bytes_per_row": (index.keys.nbytes + index.shard.nbytes + index.row.nbytes) / len(index),
        "build_seconds": built - start,
        "lookup_microseconds": 1e6 * (looked_up - built) / len(hashes),
        "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "found": len(set(hashes)) - len(missing),
    }


def main(
    rows: Annotated[int, typer.Option(help="Images.", min=1)] = 10_000_000,
    shard_rows: Annotated[int, typer.Option(help="Images of a shard.", min=1)] = 1 << 16,
) -> None:
    """Print what the index costs."""
    for name, value in measure(rows, shard_rows).items():
        print(f"{name}: {value:,.4g}" if isinstance(value, float) else f"{name}: {value:,}")


if __name__ == "__main__":
    typer.run(main)
