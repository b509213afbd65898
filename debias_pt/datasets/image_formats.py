"""Which files are images: the formats that Pillow itself can read."""

from __future__ import annotations

import os
from functools import cache

from PIL import Image

# Formats that Pillow only recognises, or reads by another program: EPS by Ghostscript, which runs what is in the file.
NOT_READ = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}


@cache
def _endings() -> frozenset[str]:
    known = Image.registered_extensions()
    return frozenset(ending for ending, kind in known.items() if kind in Image.OPEN and kind not in NOT_READ)


@cache
def readable_formats() -> tuple[str, ...]:
    """Return the names of the formats that are read, as Pillow calls them."""
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
