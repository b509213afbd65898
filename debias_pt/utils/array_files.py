"""Arrays that somebody else saved: reading them without running anything, and the checks before they are used."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.errors import DatasetError, DebiasWarning
from debias_pt.utils.row_blocks import row_blocks

NEARLY_ONE = 1e-2  # how far the length of a row may be off 1 to be called a unit row in half precision
AS_TEXT = "save it as numbers or as text, array.astype(str)"


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of an ``.npz`` file by their names; arrays of Python objects are refused.

    Raises
    ------
    DatasetError
        If the file is missing or cannot be read, or an array needs pickle.
    """
    try:
        with open(path, "rb") as opened:  # closed even if it is no archive
            file = np.load(opened, allow_pickle=False)
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise DatasetError(f"{path}: is no archive of arrays; save it with numpy.savez")
            with file:
                return {name: _member(path, file, name) for name in file.files}
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror or error}); give a file that is there") from error
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise _unreadable(path, error) from error


def _member(path: Path, file: Any, name: str) -> NDArray[Any]:
    try:
        array: NDArray[Any] = file[name]
    except DatasetError:
        raise
    except Exception as error:  # numpy and zipfile raise many kinds on damaged files
        if "allow_pickle" in str(error):
            raise DatasetError(f"{path}: {name!r} holds Python objects, which could run code; {AS_TEXT}") from error
        raise _unreadable(path, error) from error
    return array


def read_npy(path: Path) -> NDArray[Any]:
    """Return the array of an ``.npy`` file.

    Raises
    ------
    DatasetError
        If the file is missing or cannot be read, or needs pickle.
    """
    try:
        with open(path, "rb") as opened:
            array: NDArray[Any] = np.load(opened, allow_pickle=False)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror or error}); give a file that is there") from error
    except (ValueError, EOFError) as error:
        if "allow_pickle" in str(error):
            raise DatasetError(f"{path}: holds Python objects, which could run code; {AS_TEXT}") from error
        raise _unreadable(path, error) from error
    return array


def _unreadable(path: Path, error: Exception) -> DatasetError:
    if "allow_pickle" in str(error):
        return DatasetError(f"{path}: is a pickle, which could run code; save it with numpy.savez")
    return DatasetError(f"{path}: damaged or no file of arrays ({' '.join(str(error).split())}); save it again")


def numbers(path: Path | str, name: str, array: NDArray[Any]) -> NDArray[np.float32]:
    """Return rows ``(N, D)`` scaled to length 1; that they had another length is said.

    Raises
    ------
    DatasetError
        If it is no matrix of numbers, or a row holds NaN or nothing but zeros.

    Warns
    -----
    DebiasWarning
        If lengths were not 1.
    """
    if array.ndim != 2 or array.dtype.kind not in "fiu" or not array.shape[1]:
        raise DatasetError(f"{path}: {name!r} is {array.dtype} of shape {array.shape}; numbers (N, D) expected")
    unit = np.empty(array.shape, dtype=np.float32)
    lengths = np.empty(len(array), dtype=np.float64)
    for rows in row_blocks(len(array)):
        part = array[rows].astype(np.float64)
        lengths[rows] = np.linalg.norm(part, axis=1)
        wrong = np.flatnonzero(~np.isfinite(lengths[rows]) | (lengths[rows] == 0))
        if len(wrong):
            row = int(wrong[0])
            what = "NaN or infinity" if not np.isfinite(lengths[rows][row]) else "nothing but zeros"
            number = int(np.arange(len(array))[rows][row]) + 1
            raise DatasetError(f"{path}: row {number} of {name!r} holds {what}; remove it or make it again")
        unit[rows] = part / lengths[rows][:, None]
    off = abs(lengths - 1) > NEARLY_ONE
    if off.any():
        warnings.warn(
            f"{path}: {int(off.sum())} of {len(array)} rows of {name!r} had another length than 1 "
            f"({lengths.min():.3g} to {lengths.max():.3g}) and are scaled to it",
            DebiasWarning,
            stacklevel=2,
        )
    return unit


def texts(path: Path | str, name: str, array: NDArray[Any]) -> list[str]:
    """Return a column as words, numbers written without a decimal point where they are whole.

    Raises
    ------
    DatasetError
        If it is no column.
    """
    if array.ndim != 1 or array.dtype.kind not in "fiubUS":
        raise DatasetError(
            f"{path}: {name!r} is {array.dtype} of shape {array.shape}; one word or number a row expected"
        )
    if array.dtype.kind == "S":
        return [word.decode("utf-8", "replace") for word in array.tolist()]
    return [str(int(one)) if isinstance(one, float) and one.is_integer() else str(one) for one in array.tolist()]
