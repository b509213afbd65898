"""Image files, opened as RGB."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image, UnidentifiedImageError

from debias_pt.datasets.image_formats import readable_formats
from debias_pt.errors import ImageError
from debias_pt.utils.files import require_regular
from debias_pt.utils.stores.addresses import is_file_here, shown


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
            require_regular(path)
        with Image.open(path if content is None else BytesIO(content), formats=readable_formats()) as opened:
            if at_least is not None:
                opened.draft(None, (at_least, at_least))  # other formats ignore it
            return _rgb(cast(Image.Image, opened))
    except FileNotFoundError as error:
        raise ImageError(f"{path}: no such image file; check the data set's folder") from error
    except UnidentifiedImageError as error:
        raise ImageError(f"{path}: cannot read this image (no known format); replace or remove it") from error
    except MemoryError as error:
        raise ImageError(f"{path}: cannot read this image (not enough memory); replace or remove it") from error
    except Exception as error:  # Pillow's readers raise many kinds on damaged input
        reason = " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__
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
