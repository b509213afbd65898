"""Atomic file writes, locked folders, and our two formats: JSON and safetensors."""

from __future__ import annotations

import csv
import errno
import io
import json
import math
import os
import shutil
import stat
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from debias_pt.errors import DebiasWarning, FingerprintError, OutputError, UsageError
from debias_pt.utils.cleanup import remove_unfinished, unfinished_name
from debias_pt.utils.exchange import exchange

if TYPE_CHECKING:
    from torch import Tensor


def make_folder(folder: Path) -> Path:
    """Create `folder` with its parents and return it.

    Raises
    ------
    OutputError
        If it cannot be created or is a file.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot create this folder ({error.strerror}); choose another") from error
    return folder


def nearest_existing(path: Path) -> Path:
    """Return the path itself if it exists, else its nearest existing parent."""
    return next(place for place in (path, *path.absolute().parents) if place.exists())


@contextmanager
def locked(folder: Path, busy: Callable[[], object], option: str, name: str = ".lock") -> Iterator[None]:
    """Hold a folder for writing, or a part of the work in it.

    Parameters
    ----------
    folder : Path
        An existing folder.
    busy : callable
        Called if another process holds it: raises, or returns to wait.
    option : str
        The option that chooses another folder, for the message.
    name : str
        Of the lock's file: another one for another part of the work.

    Raises
    ------
    OutputError
        If the folder cannot be written to.

    Warns
    -----
    DebiasWarning
        If the file system has no locks, as some network file systems: the work goes on without one.
    """
    lock = system_lock(folder / name)
    if (folder / name).is_symlink():  # opening it would empty what it leads to
        raise OutputError(f"{folder / name}: is a link, which debias-pt never makes; remove it")
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            busy()
            lock.acquire()
    except (NotImplementedError, OSError) as error:
        require_no_locks(error, folder, option)
    try:
        yield
    finally:
        lock.release()


def system_lock(path: Path) -> FileLock:
    """Return a lock that the system gives up when its holder dies, never a mere file, which would stay."""
    try:
        return FileLock(path, fallback_to_soft=False)
    except TypeError:  # filelock before 3.32 never falls back
        return FileLock(path)


NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}


def require_no_locks(error: Exception, folder: Path, option: str) -> None:
    """Warn if a lock failed because the file system has none; raise if it failed for another reason.

    Raises
    ------
    OutputError
        If the folder cannot be written to.
    """
    if isinstance(error, OSError) and error.errno not in NO_LOCKS:
        raise OutputError(f"{folder}: cannot write here ({error}); choose another {option}") from error
    text = f"{folder}: this file system has no locks; let no other process write there until this one is done"
    warnings.warn(text, DebiasWarning, stacklevel=4)


@contextmanager
def temporary_folder(parent: Path, option: str) -> Iterator[Path]:
    """Yield a new empty folder in `parent`, creating the parent; removed at the end with its contents.

    What processes that were killed left unfinished there goes first.

    Parameters
    ----------
    parent : Path
        Where it will be.
    option : str
        The option that chooses another place, for the message.

    Raises
    ------
    OutputError
        If nothing can be written there.
    """
    remove_unfinished(parent)
    folder = parent / unfinished_name("folder")
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise OutputError(f"{parent}: cannot write here ({error.strerror}); choose another {option}") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def whole_folder(folder: Path, option: str, *, replace: bool = False) -> Iterator[Path]:
    """Yield a folder to fill, which becomes `folder` at the end, atomically.

    With `replace` an older folder of this name is removed with its contents.
    """
    with temporary_folder(folder.parent, option) as place:
        unfinished = place / "new"
        unfinished.mkdir()
        yield unfinished
        if replace and folder.exists():
            exchange(unfinished, folder)  # what was there goes with the temporary folder
        else:
            unfinished.rename(folder)


def require_writable(path: Path, option: str) -> None:
    """Raise if no file can be written there, before any work is done; its folder is created.

    Raises
    ------
    OutputError
        If the folder cannot be made or written to, or `path` is a folder.
    """
    folder = make_folder(path.parent)
    if path.is_dir():
        raise OutputError(f"{path}: is a folder; give {option} a file name")
    if not os.access(folder, os.W_OK):
        raise OutputError(f"{path}: cannot write into {folder}; choose another {option}")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; at the end it is flushed to disk and renamed into place.

    What processes that were killed left unfinished there goes first.

    Raises
    ------
    OutputError
        If the folder is read-only or full; an older file at `path` is left as it was.
    """
    remove_unfinished(path.parent)
    unfinished = path.parent / unfinished_name(path.name)
    try:
        yield unfinished
        with open(unfinished, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot write ({error.strerror or error}); free some space or choose another folder"
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` atomically; see :func:`whole_file`."""
    with whole_file(path) as unfinished, open(unfinished, "xb") as file:
        file.write(data)


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table as CSV; a text that a spreadsheet would run as a formula begins with an apostrophe.

    Examples
    --------
    >>> csv_text(["id", "label"], [["a,b", "cat"]]).splitlines()
    ['id,label', '"a,b",cat']
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([_no_formula(cell) for cell in header])
    writer.writerows([_no_formula(cell) for cell in row] for row in rows)
    return text.getvalue()


def _no_formula(cell: object) -> object:
    """Put an apostrophe before a text that begins as a formula does, unless it is a number."""
    if not isinstance(cell, str) or not cell.startswith(("=", "+", "-", "@", "\t", "\r")):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def write_text(path: Path, text: str) -> None:
    """Write text in UTF-8, atomically; file names that are not valid UTF-8 are kept byte for byte."""
    write_bytes(path, text.encode(errors="surrogateescape"))


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table in UTF-8, atomically."""
    write_text(path, csv_text(header, rows))


def json_number(value: float) -> float | None:
    """Return a float for JSON, which has no NaN and no infinity: None for those."""
    return float(value) if math.isfinite(value) else None


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    write_bytes(path, (json.dumps(value, indent=2, allow_nan=False) + "\n").encode())


def write_json_once(path: Path, value: Any) -> bool:
    """Write `value` as :func:`write_json` does if there is no such file; tell whether it was written."""
    new = path.with_name(unfinished_name(path.name))
    write_json(new, value)
    try:
        os.link(new, path)  # fails if it exists, on network file systems without locks too
    except FileExistsError:
        return False
    except OSError:  # a file system without links
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)
    return True


def require_regular(path: str | os.PathLike[str]) -> None:
    """Raise :class:`OSError` for a missing file, a folder, and a pipe or device, from which reading may never end."""
    try:
        mode = os.stat(path).st_mode
    except ValueError as error:  # a name with a zero byte
        raise OSError(errno.EINVAL, f"not the name of a file, {error}") from error
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "a folder, pipe or device, not a file")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    UsageError
        If the file is missing or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not a JSON file ({error})") from error


def write_tensors(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Write named tensors as safetensors, with `meta` as JSON in the file's header."""
    from safetensors.torch import save

    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    header = _header(meta, {name: checksum(tensor) for name, tensor in whole.items()})
    write_bytes(path, _in_order(save(whole, metadata=header)))


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> None:
    """Write named arrays, of one axis or more, as :func:`write_tensors` writes tensors; torch is not imported."""
    from safetensors.numpy import save

    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}  # safetensors ignores strides
    header = _header(meta, {name: checksum(array) for name, array in whole.items()})
    write_bytes(path, _in_order(save(whole, metadata=header)))


def checksum(values: Tensor | NDArray[Any]) -> int:
    """Return the CRC-32 of a contiguous tensor's or array's bytes: it finds a flipped bit."""
    if isinstance(values, np.ndarray):
        return zlib.crc32(values.reshape(-1).view(np.uint8).data)
    import torch

    return zlib.crc32(values.reshape(-1).view(torch.uint8).numpy().data)


def _header(meta: Mapping[str, Any], checksums: Mapping[str, int]) -> dict[str, str]:
    text = json.dumps(meta)
    return {"debias_pt": text, "crc32": json.dumps(checksums), "meta_crc32": str(zlib.crc32(text.encode()))}


def _in_order(data: bytes) -> bytes:
    """Return a safetensors file with its metadata in a fixed order, which the package leaves to chance."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[end:]


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what :func:`write_tensors` wrote.

    Returns
    -------
    tensors : dict of str to Tensor
    meta : dict

    Raises
    ------
    FingerprintError
        If the file is damaged or was not written by this library.
    """
    return _read(path, "pt", None)


def read_arrays(path: Path, names: Sequence[str]) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Read some tensors of a file as arrays, without reading the others; torch is not imported."""
    return _read(path, "np", names)


def _read(path: Path, framework: str, names: Sequence[str] | None) -> tuple[dict[str, Any], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        require_regular(path)
        with safe_open(str(path), framework=framework) as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in (file.keys() if names is None else names)}
    except (OSError, SafetensorError) as error:
        raise FingerprintError(f"{path}: damaged or unreadable ({error}); delete it and run again") from error
    if "debias_pt" not in header:
        raise FingerprintError(f"{path}: not written by debias-pt; move it away and run again")
    try:
        meta, known = json.loads(header["debias_pt"]), dict(json.loads(header.get("crc32", "{}")))
    except (ValueError, TypeError, RecursionError) as error:
        raise FingerprintError(f"{path}: damaged ({error}); delete it and run again") from error
    # Files of older versions have no checksums, or only of their tensors.
    wrong = [name for name, values in tensors.items() if known and known.get(name) != checksum(values)]
    if known and names is None:
        wrong += sorted(set(known) - set(tensors))
    crc = str(zlib.crc32(header["debias_pt"].encode()))
    if header.get("meta_crc32", crc) != crc:
        wrong.append("metadata")
    if wrong:
        raise FingerprintError(f"{path}: damaged ({wrong[0]!r} has another checksum); delete it and run again")
    return tensors, meta


def default_cache_dir() -> Path:
    """Return ``$DEBIAS_PT_CACHE``, or ``debias-pt`` in the user's cache folder."""
    chosen = os.environ.get("DEBIAS_PT_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "debias-pt"
