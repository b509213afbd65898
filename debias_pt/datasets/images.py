"""Image files: finding them, telling their kind, opening them as RGB."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, NoReturn, cast

import numpy as np
from PIL import Image, UnidentifiedImageError

from debias_pt.errors import DebiasWarning, ImageError
from debias_pt.utils.hashing import require_image_file
from debias_pt.utils.stores.addresses import is_file_here, is_remote, is_shards, shown
from debias_pt.utils.stores.place import Place, StorePath, place

# Formats that Pillow only recognises, or reads by another program: EPS by Ghostscript, which runs what is in the file.
NOT_READ = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}

NAMED = 5  # how many of the files left out a warning names


@cache
def _endings() -> frozenset[str]:
    known = Image.registered_extensions()
    return frozenset(ending for ending, kind in known.items() if kind in Image.OPEN and kind not in NOT_READ)


@cache
def _formats() -> tuple[str, ...]:
    Image.init()
    return tuple(kind for kind in Image.OPEN if kind not in NOT_READ)


def is_image(name: str) -> bool:
    """Tell by its extension whether a file is an image that Pillow can open.

    Examples
    --------
    >>> is_image("bird.JPG"), is_image("labels.csv"), is_image("features.h5")
    (True, False, False)
    """
    return os.path.splitext(name)[1].lower() in _endings()


def find_images(folder: Place) -> tuple[list[Place], list[Place]]:
    """Search a folder and its subfolders for image files, following links to folders.

    Files and folders whose names begin with a dot are left out.

    Parameters
    ----------
    folder : Path or StorePath

    Returns
    -------
    images : list of Path or StorePath
        Sorted, each beginning with `folder`.
    others : list of Path or StorePath
        Files with other extensions, sorted.

    Raises
    ------
    ImageError
        If a folder cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> root = Path(tempfile.mkdtemp())
    >>> for name in ("b.png", "a.jpg", ".hidden.png", "notes.txt"):
    ...     (root / name).touch()
    >>> [[path.name for path in paths] for paths in find_images(root)]
    [['a.jpg', 'b.png'], ['notes.txt']]
    """
    files = _in_store(folder) if isinstance(folder, StorePath) else _on_disk(folder)
    return [file for file in files if is_image(file.name)], [file for file in files if not is_image(file.name)]


def _on_disk(folder: Path) -> list[Place]:
    files: list[Path] = []
    for where, folders, names in os.walk(folder, onerror=_unreadable, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".") and not _leads_back(Path(where), name)]
        files += [Path(where, name) for name in names if not name.startswith(".")]
    return sorted(files)


def _in_store(folder: StorePath) -> list[Place]:
    shown_parts = ((file, file.relative_to(folder).parts) for file in folder.files())
    return [file for file, parts in shown_parts if not any(part.startswith(".") for part in parts)]


def _leads_back(place: Path, name: str) -> bool:
    """Tell whether a folder is a link to one of its own parents, which would never end."""
    if not (place / name).is_symlink():
        return False
    target = (place / name).resolve()
    return any(above.resolve().is_relative_to(target) for above in (place, *place.parents))


def _unreadable(error: OSError) -> NoReturn:
    raise ImageError(f"{error.filename}: cannot read this folder ({error.strerror}); give one that can be read")


def gather(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the image files to read, each once, and the files in folders that are left out.

    A file counts whatever its extension; a folder is searched with its subfolders. Files left out get a warning.

    Raises
    ------
    ImageError
        If there is no such file or folder, or no image in a folder.
    """
    found: dict[str, str] = {}
    left_out: list[str] = []
    for word in words:
        images, others = _meant(word)
        for image in images:
            found.setdefault(_once(image), image)
        left_out += map(str, others)
        if others:
            _warn_left_out(word, others)
    return list(found.values()), left_out


def _once(image: str) -> str:
    return str(Path(image).parent.resolve() / Path(image).name) if is_file_here(image) else image


def _meant(word: str) -> tuple[list[str], list[Place]]:
    if is_shards(word):
        from debias_pt.datasets.shards.images import images_in  # which reads this module

        return images_in(word), []
    if is_remote(word) and is_image(shown(word).partition("?")[0]):
        return [word], []
    if os.path.isfile(word):
        return [word], []
    if not is_remote(word) and not os.path.isdir(word):
        raise ImageError(f"{word}: no such image file or folder; give image files, or folders of them")
    images, others = find_images(place(word))
    if not images:
        seen = f"{len(others)} files with other extensions, first {others[0].name!r}" if others else "no files at all"
        raise ImageError(f"{word}: no image in this folder ({seen}); give another folder, or the files themselves")
    return list(map(os.fspath, images)), others


def _warn_left_out(folder: str, others: Sequence[Place]) -> None:
    names = ", ".join(os.path.relpath(file, folder) for file in others[:NAMED])
    more = f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
    text = f"{folder}: left out {len(others)} without an image extension: {names}{more}"
    warnings.warn(text, DebiasWarning, stacklevel=4)


def open_rgb(path: str | Path, at_least: int | None = None, content: bytes | None = None) -> Image.Image:
    """Open an image file and return it as 8-bit RGB.

    The image becomes RGB before anything is resized, and transparency is dropped. For palettes and partial
    transparency that gives other pixels than open_clip's own preprocessing, which resizes first; docs/export.md says
    how different. Images of 16 bits a channel are scaled to 8, where Pillow's ``convert`` would cut them off at 255
    and leave them white.

    Parameters
    ----------
    path : str or Path
        The file, or its address in a store or a tar file.
    at_least : int, optional
        Let a larger JPEG file be decoded at a half, a quarter or an eighth of its size, as long as neither side
        comes below this; several times as fast, with slightly different pixels.
    content : bytes, optional
        The file's content, if it is at hand; `path` is then only what to call it.

    Raises
    ------
    ImageError
        If the file is missing, truncated or not an image; the message begins with the path.

    Examples
    --------
    >>> import tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "grey.png")
    >>> Image.new("L", (2, 2), 7).save(path)
    >>> open_rgb(path).getpixel((0, 0))
    (7, 7, 7)
    """
    if content is None and not is_file_here(os.fspath(path)):
        from debias_pt.utils.stores.access import read_bytes  # only who reads from a store needs it

        content = read_bytes(os.fspath(path))
    path = shown(os.fspath(path))
    try:
        if content is None:
            require_image_file(path)
        with Image.open(path if content is None else BytesIO(content), formats=_formats()) as opened:
            if at_least is not None:
                opened.draft(None, (at_least, at_least))  # other formats ignore it
            return _rgb(cast(Image.Image, opened))
    except FileNotFoundError as error:
        raise ImageError(f"{path}: no such image file; check the data set's folder") from error
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError(f"{path}: cannot read this image (no known format); replace or remove it") from error
    except MemoryError as error:
        raise ImageError(f"{path}: cannot read this image (not enough memory); replace or remove it") from error
    except Exception as error:  # Pillow's readers raise many kinds on damaged input
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"{path}: cannot read this image ({reason}); replace or remove it") from error


def to_rgb(image: Any) -> Image.Image:
    """Return an image object as 8-bit RGB.

    Parameters
    ----------
    image : PIL image, ndarray or Tensor
        Arrays and tensors: uint8 of shape (H, W), (H, W, 3) or (3, H, W), or floats from 0 to 1.

    Raises
    ------
    ImageError
        For anything else; floats outside 0 to 1 are taken for an image that is already normalised.

    Examples
    --------
    >>> to_rgb(np.zeros((2, 3), dtype=np.uint8)).size
    (3, 2)
    """
    if isinstance(image, Image.Image):
        return _rgb(image)
    if not hasattr(image, "shape"):
        raise ImageError(f"the image is {type(image).__name__}; a path, PIL image, array or tensor expected")
    values = np.asarray(image)
    if values.ndim == 3 and values.shape[0] in (1, 3) and values.shape[2] not in (1, 3):
        values = np.moveaxis(values, 0, -1)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] != 3):
        raise ImageError(f"the image has shape {tuple(image.shape)}; (H, W), (H, W, 3) or (3, H, W) expected")
    if values.dtype.kind == "f":
        if not (values.min() >= 0 and values.max() <= 1):
            raise ImageError(
                f"the image goes from {values.min():.3g} to {values.max():.3g}; floats from 0 to 1 expected: give it "
                "without a model's normalisation"
            )
        values = np.round(values * 255).astype(np.uint8)
    if values.dtype != np.uint8:
        raise ImageError(f"the image has type {values.dtype}; uint8, or floats from 0 to 1, expected")
    return Image.fromarray(values).convert("RGB")


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        return _scale_to_8_bits(image)
    if image.mode == "P" and "transparency" in image.info:
        return image.convert("RGBA").convert("RGB")
    return image.convert("RGB")


def _scale_to_8_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image, dtype=np.float64)
    if image.mode == "F" and values.max(initial=0.0) <= 1.0:
        values = values * 255.0
    elif image.mode.startswith("I;16") or values.max(initial=0.0) > 255.0:
        values = values / 257.0
    return Image.fromarray(np.clip(np.round(values), 0, 255).astype(np.uint8)).convert("RGB")
