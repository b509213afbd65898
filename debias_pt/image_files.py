"""Finding image files: those named, and those in folders."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NoReturn

from PIL import Image

from debias_pt.errors import DebiasWarning, ImageError

# Formats that Pillow only recognises: to read them it needs another program.
NOT_READ = {"BUFR", "GRIB", "HDF5", "MPEG", "WMF"}

NAMED = 5  # of the files left out, how many a warning names


@cache
def _endings() -> frozenset[str]:
    known = Image.registered_extensions()
    return frozenset(ending for ending, kind in known.items() if kind in Image.OPEN and kind not in NOT_READ)


def is_image(name: str) -> bool:
    """Tell by its ending whether a file is an image that Pillow can open.

    Examples
    --------
    >>> is_image("bird.JPG"), is_image("labels.csv"), is_image("features.h5")
    (True, False, False)
    """
    return os.path.splitext(name)[1].lower() in _endings()


def find_images(folder: Path) -> tuple[list[Path], list[Path]]:
    """Search a folder and all below it for image files, links to folders included.

    Files and folders whose names begin with a dot are left out.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    images : list of Path
        Sorted, each beginning with `folder`.
    others : list of Path
        Files of other endings, sorted.

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
    files: list[Path] = []
    for place, folders, names in os.walk(folder, onerror=_unreadable, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".") and not _leads_back(Path(place), name)]
        files += [Path(place, name) for name in names if not name.startswith(".")]
    files.sort()
    return [file for file in files if is_image(file.name)], [file for file in files if not is_image(file.name)]


def _leads_back(place: Path, name: str) -> bool:
    """Tell whether a folder is a link to one that the way here went through, which would never end."""
    if not (place / name).is_symlink():
        return False
    target = (place / name).resolve()
    return any(above.resolve().is_relative_to(target) for above in (place, *place.parents))


def _unreadable(error: OSError) -> NoReturn:
    raise ImageError(f"{error.filename}: cannot read this folder ({error.strerror}); give one that can be read")


def gather(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the image files that are meant, each once, and what was left out of the folders.

    A file counts whatever its ending; a folder is searched with all below it. What is left out gets a warning.

    Raises
    ------
    ImageError
        If there is no such file or folder, or no image in a folder.
    """
    found: dict[Path, str] = {}
    left_out: list[str] = []
    for word in words:
        images, others = _meant(word)
        for image in images:
            found.setdefault(Path(image).parent.resolve() / Path(image).name, image)
        left_out += map(str, others)
        if others:
            _warn_left_out(word, others)
    return list(found.values()), left_out


def _meant(word: str) -> tuple[list[str], list[Path]]:
    if os.path.isfile(word):
        return [word], []
    if not os.path.isdir(word):
        raise ImageError(f"{word}: no such image file or folder; give image files, or folders of them")
    images, others = find_images(Path(word))
    if not images:
        seen = f"{len(others)} of other endings, first {others[0].name!r}" if others else "no files at all"
        raise ImageError(f"{word}: no image in this folder ({seen}); give another folder, or the files themselves")
    return list(map(str, images)), others


def _warn_left_out(folder: str, others: Sequence[Path]) -> None:
    names = ", ".join(str(file.relative_to(folder)) for file in others[:NAMED])
    more = f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
    text = f"{folder}: left out {len(others)} that by their endings are no images: {names}{more}"
    warnings.warn(text, DebiasWarning, stacklevel=4)
