"""What WILDS read from a table, cached by the table's content, because importing WILDS and pandas takes seconds."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from debias_pt.datasets.splits import SPLITS
from debias_pt.errors import FingerprintError, OutputError
from debias_pt.utils.files import make_folder, read_arrays, write_arrays
from debias_pt.utils.fingerprint import digest
from debias_pt.utils.hashing import file_digest
from debias_pt.utils.stores.place import Place

EDITION = 1  # raise it when the same tables are read differently


@dataclass(frozen=True)
class Metadata:
    """The columns of a published set with one binary attribute.

    Parameters
    ----------
    names : tuple of str
        Images, N of them.
    y, attribute : ndarray of int, shape (N,)
    split : ndarray of int, shape (N,)
        Numbers in ``SPLITS``.
    """

    names: tuple[str, ...]
    y: NDArray[np.int64]
    attribute: NDArray[np.int64]
    split: NDArray[np.int64]

    @classmethod
    def of(cls, names: Iterable[object], y: ArrayLike, attribute: ArrayLike, split: ArrayLike) -> Metadata:
        """Take the columns in whatever form WILDS has them.

        Raises
        ------
        IndexError
            If there is no split of a number.
        """
        number = partial(np.asarray, dtype=np.int64)
        metadata = cls(tuple(map(str, names)), number(y), number(attribute), number(split))
        _ = metadata.split_names  # raises here, while it is known what is being read
        return metadata

    @property
    def split_names(self) -> NDArray[np.str_]:
        """The split of each image by its name."""
        return np.array(SPLITS)[self.split]


def remembered(cache_dir: Path, tables: Sequence[Place], read: Callable[[], Metadata]) -> Metadata:
    """Return what `read` returns, from the cache folder if these tables have been read before.

    Parameters
    ----------
    cache_dir : Path
        Where to remember it; a folder that cannot be written to only costs time.
    tables : sequence of Path or StorePath
        What `read` reads: their content decides, not their place.
    read : callable
        Reads them through WILDS.
    """
    read_by = {"tables": {path.name: file_digest(str(path)) for path in tables}, "wilds": version("wilds")}
    file = cache_dir / "metadata" / f"{digest([read_by, EDITION])[:32]}.safetensors"
    if file.is_file():
        with contextlib.suppress(FingerprintError, KeyError):  # a damaged one is written again
            return _load(file)
    metadata = read()
    with contextlib.suppress(OutputError):
        make_folder(file.parent)
        _save(file, metadata, read_by)
    return metadata


def _load(file: Path) -> Metadata:
    arrays, _ = read_arrays(file, ["names", "y", "attribute", "split"])
    names = arrays["names"].tobytes().decode(errors="surrogateescape").split("\0")
    return Metadata(tuple(names), arrays["y"], arrays["attribute"], arrays["split"])


def _save(file: Path, metadata: Metadata, read_by: Mapping[str, object]) -> None:
    names = "\0".join(metadata.names).encode(errors="surrogateescape")  # no file's name holds a zero byte
    columns = {"y": metadata.y, "attribute": metadata.attribute, "split": metadata.split}
    write_arrays(file, {"names": np.frombuffer(names, dtype=np.uint8), **columns}, read_by)
