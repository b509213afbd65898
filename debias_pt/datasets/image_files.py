"""Finding image files: in folders, in stores and in shards."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from debias_pt.datasets.image_formats import is_image
from debias_pt.errors import DebiasWarning, ImageError
from debias_pt.utils.stores.addresses import is_file_here, is_remote, is_shards, shown
from debias_pt.utils.stores.place import Place, StorePath, place

NAMED = 5  # how many of the files left out a warning names


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
        from debias_pt.datasets.shards.images import images_in  # needs webdataset

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
