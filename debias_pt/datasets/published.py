"""What the readers of published sets share: a folder that is there, and WILDS without its prints and warnings."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.datasets.options import DataOptions
from debias_pt.errors import DatasetError

# What WILDS and pandas raise on files of another form.
FAILURES = (KeyError, ValueError, TypeError, IndexError, RuntimeError)


def read_present(loader: type[Any], root: Path) -> Any:
    """Return WILDS' data set from a folder that is there.

    WILDS prints to standard output, which belongs to results, warns of its own reading, and takes a
    folder without its RELEASE file for absent.
    """
    present = type(loader.__name__, (loader,), {"dataset_exists_locally": lambda *_: True})
    with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return present(root_dir=str(root))


def require_folder(options: DataOptions, folder: str, files: tuple[str, ...]) -> Path:
    """Return the data set's folder.

    Raises
    ------
    DatasetError
        If it or one of the files that it must have is not there; says which, and what to do.
    """
    place = options.root / folder
    if not options.root.is_dir():
        raise DatasetError(f"{options.root}: no such folder; give --data-root the folder that holds {folder}")
    if not place.is_dir():
        raise DatasetError(f"{place}: not there; give --data-root the folder that holds {folder}, or add --download")
    for name in files:
        if not (place / name).is_file():
            raise DatasetError(
                f"{place}: has no {name}, perhaps a download that failed; remove this folder and unpack it again, "
                "or add --download then"
            )
    return place


@contextlib.contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Turn what a loader raises into one line that names the file."""
    try:
        yield
    except FAILURES as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(f"{path}: not {what} metadata ({' '.join(str(error).split())})") from error


def require_binary(path: Path, columns: Mapping[str, NDArray[np.int64]]) -> None:
    """Refuse a column with another value than 0 or 1, naming its first row."""
    for name, values in columns.items():
        bad = np.flatnonzero((values != 0) & (values != 1))
        if len(bad):
            raise DatasetError(f"{path}: row {bad[0] + 1} has {name} {values[bad[0]]}; 0 or 1 expected")
