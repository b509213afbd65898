"""Opening image files, whatever their mode, as 8-bit RGB."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image

from debias_pt.errors import ImageError


def open_rgb(path: str | Path) -> Image.Image:
    """Open an image file and return it as 8-bit RGB.

    Greyscale, palette, CMYK and images with transparency become RGB as open_clip's own
    preprocessing does it (transparency is dropped). Images of 16 bits a channel are scaled to 8,
    where Pillow's ``convert`` would cut them off at 255 and leave them white.

    Parameters
    ----------
    path : str or Path
        The file.

    Raises
    ------
    ImageError
        If the file is missing, truncated or no image; the message begins with the path.

    Examples
    --------
    >>> import tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "grey.png")
    >>> Image.new("L", (2, 2), 7).save(path)
    >>> open_rgb(path).getpixel((0, 0))
    (7, 7, 7)
    """
    try:
        with Image.open(path) as opened:
            image = cast(Image.Image, opened)
            if image.mode.startswith(("I", "F")):
                return _scale_to_8_bits(image)
            if image.mode == "P" and "transparency" in image.info:
                return image.convert("RGBA").convert("RGB")
            return image.convert("RGB")
    except FileNotFoundError as error:
        raise ImageError(f"{path}: no such image file; check the data set's folder") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = " ".join(str(error).split())
        raise ImageError(f"{path}: cannot read this image ({reason}); replace or remove it") from error


def _scale_to_8_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image, dtype=np.float64)
    if image.mode == "F" and values.max(initial=0.0) <= 1.0:
        values = values * 255.0
    elif image.mode.startswith("I;16") or values.max(initial=0.0) > 255.0:
        values = values / 257.0
    return Image.fromarray(np.clip(np.round(values), 0, 255).astype(np.uint8)).convert("RGB")
