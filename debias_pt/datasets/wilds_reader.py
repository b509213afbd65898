"""What the readers of published sets share: checking the folder, and WILDS without its warnings."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.datasets.base import DataOptions
from debias_pt.errors import DatasetError
from debias_pt.utils.stores.place import Place, StorePath

# What WILDS and pandas raise on files of another form.
FAILURES = (KeyError, ValueError, TypeError, IndexError, RuntimeError)


def read_present(module: str, loader: str, root: Path) -> Any:
    """Return WILDS' data set from an existing folder.

    WILDS gives torch arrays that pandas 3 lets nobody write into, about which torch warns, and treats a folder without
    its RELEASE file as missing.
    """
    with warnings.catch_warnings(), no_update_check():
        warnings.simplefilter("ignore", UserWarning)
        found = getattr(import_module(f"wilds.datasets.{module}"), loader)
        return type(loader, (found,), {"dataset_exists_locally": lambda *_: True})(root_dir=str(root))


@contextlib.contextmanager
def no_update_check() -> Iterator[None]:
    """Keep an import of WILDS from asking the package index, in a thread, whether there is a newer version."""
    before = sys.modules.get("outdated")
    sys.modules["outdated"] = None  # type: ignore[assignment]  # as if not installed, which WILDS allows
    try:
        yield
    finally:
        sys.modules.pop("outdated")
        if before:
            sys.modules["outdated"] = before


@contextlib.contextmanager
def tables_here(root: Place, folder: str, files: tuple[str, ...]) -> Iterator[Path]:
    """Give a data root on this machine with a set's tables: the root itself, or for a time a copy of them."""
    if not isinstance(root, StorePath):
        yield root
        return
    with TemporaryDirectory() as made:
        place = Path(made) / folder
        place.mkdir()
        for file in files:
            (place / file).write_bytes((root / folder / file).read_bytes())
        yield Path(made)


def require_folder(options: DataOptions, name: str, folder: str, files: tuple[str, ...] = ()) -> Place:
    """Return the data set's folder.

    Raises
    ------
    DatasetError
        If it or one of its required files is missing; says which, and what to do.
    """
    place = options.root / folder
    if not options.root.is_dir():
        raise DatasetError(f"{options.root}: no such folder; give --data-root the folder that holds {folder}")
    if isinstance(place, StorePath):
        absent = [place / file for file in files if not (place / file).is_file()]
        if absent:
            raise DatasetError(f"{absent[0]}: not there; give --data-root the folder or bucket that holds {folder}")
        return place
    fetching = f"fetch it (debias-pt data fetch {name}, or --download)"
    if not place.is_dir():
        raise DatasetError(f"{place}: not there; give --data-root the folder that holds {folder}, or {fetching}")
    for file in files:
        if not (place / file).is_file():
            raise DatasetError(
                f"{place}: has no {file}, perhaps from a failed download; remove this folder, then unpack it again or "
                f"{fetching}"
            )
    return place


@contextlib.contextmanager
def reading(path: Place, what: str) -> Iterator[None]:
    """Turn what a loader raises into one line that names the file."""
    try:
        yield
    except FAILURES as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(f"{path}: not {what} metadata ({' '.join(str(error).split())})") from error


def require_binary(path: Place, columns: Mapping[str, NDArray[np.int64]]) -> None:
    """Refuse a column with another value than 0 or 1, naming its first row."""
    for name, values in columns.items():
        bad = np.flatnonzero((values != 0) & (values != 1))
        if len(bad):
            raise DatasetError(f"{path}: row {bad[0] + 1} has {name} {values[bad[0]]}; 0 or 1 expected")
