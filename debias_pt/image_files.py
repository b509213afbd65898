"""Finding image files."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from PIL import Image


@cache
def _endings() -> frozenset[str]:
    return frozenset(ending for ending, kind in Image.registered_extensions().items() if kind in Image.OPEN)


def is_image(name: str) -> bool:
    """Return whether a file name has an image's ending."""
    return os.path.splitext(name)[1].lower() in _endings()


def find_images(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return (images, other files) below a folder, sorted; hidden files are neither."""
    images: list[Path] = []
    others: list[Path] = []
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith("."):
                (images if is_image(name) else others).append(Path(place) / name)
    return images, others
