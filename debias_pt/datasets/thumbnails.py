"""Small pictures inside pages."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from debias_pt.datasets.images import open_rgb
from debias_pt.errors import DatasetError

QUALITY = 70


def thumbnail(file: str | Path, side: int) -> str:
    """Return an image as a JPEG of at most `side` pixels in a ``data:`` address; empty if it cannot be read."""
    try:
        image = open_rgb(file, side)
    except (DatasetError, OSError):
        return ""
    image.thumbnail((side, side))
    data = io.BytesIO()
    image.save(data, "JPEG", quality=QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}"
