"""Promises: every image mode becomes the right RGB; what cannot be read is a typed error with its path."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from open_clip.transform import image_transform
from PIL import Image

from debias_pt.datasets.images import open_rgb
from debias_pt.errors import ImageError

RGB = np.random.default_rng(0).integers(0, 256, (9, 8, 3), dtype=np.uint8)


def roundtrip(image: Image.Image, path: Path, **options: object) -> np.ndarray:
    image.save(path, **options)
    opened = open_rgb(path)
    assert opened.mode == "RGB"
    return np.asarray(opened)


def test_greyscale_is_spread_over_the_channels(tmp_path: Path) -> None:
    found = roundtrip(Image.fromarray(RGB[..., 0]), tmp_path / "grey.png")
    assert (found == RGB[..., :1]).all()


def test_sixteen_bits_are_scaled_not_cut_off(tmp_path: Path) -> None:
    deep = RGB[..., 0].astype(np.uint16) * 257
    found = roundtrip(Image.fromarray(deep), tmp_path / "deep.png")
    assert (found == RGB[..., :1]).all()


def test_a_dark_sixteen_bit_image_stays_dark(tmp_path: Path) -> None:
    found = roundtrip(Image.fromarray(np.full((4, 4), 200, dtype=np.uint16)), tmp_path / "dark.png")
    assert found.max() <= 1


def test_cmyk_jpeg(tmp_path: Path) -> None:
    flat = Image.new("RGB", (16, 16), (200, 30, 60))
    found = roundtrip(flat.convert("CMYK"), tmp_path / "cmyk.jpg", quality=95)
    assert abs(found.astype(int) - [200, 30, 60]).max() < 12


def test_palette_with_and_without_transparency(tmp_path: Path) -> None:
    palette = Image.fromarray(RGB).convert("P", palette=Image.Palette.ADAPTIVE, colors=200)
    expected = np.asarray(palette.convert("RGB"))
    assert (roundtrip(palette, tmp_path / "palette.png") == expected).all()
    clear = roundtrip(palette, tmp_path / "clear.png", transparency=bytes([0, 100, 255]))
    assert (clear == expected).all()


def test_transparency_is_dropped(tmp_path: Path) -> None:
    rgba = np.dstack([RGB, np.full(RGB.shape[:2], 90, np.uint8)])
    assert (roundtrip(Image.fromarray(rgba), tmp_path / "clear.png") == RGB).all()


def test_what_open_clip_makes_of_each_mode_is_as_the_docs_say(tmp_path: Path) -> None:
    """Conversion before resizing: the same but for palettes and partial transparency (docs/export.md)."""
    preprocess = image_transform(5, is_train=False)
    picture = Image.fromarray(RGB)
    opaque, partial = picture.copy(), picture.copy()
    opaque.putalpha(255)
    partial.putalpha(Image.fromarray(RGB[..., 1]))
    same = {"rgb.png": picture, "grey.png": picture.convert("L"), "opaque.png": opaque}
    other = {"palette.png": picture.quantize(16), "partial.png": partial}
    for name, image in (same | other).items():
        image.save(tmp_path / name)
        theirs, ours = preprocess(Image.open(tmp_path / name)), preprocess(open_rgb(tmp_path / name))
        assert bool((theirs == ours).all()) == (name in same), name


def test_float_images(tmp_path: Path) -> None:
    found = roundtrip(Image.fromarray(RGB[..., 0].astype(np.float32) / 255), tmp_path / "float.tiff")
    assert (found == RGB[..., :1]).all()


@pytest.mark.parametrize("cut", [0, 10, 300])
def test_truncated_jpeg_names_its_path(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "cut.jpg"
    Image.fromarray(np.tile(RGB, (8, 8, 1))).save(path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ImageError, match=r"cut\.jpg: cannot read this image .*; replace or remove it"):
        open_rgb(path)


def test_missing_file_and_folder_name_their_path(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"none\.png: no such image file"):
        open_rgb(tmp_path / "none.png")
    with pytest.raises(ImageError, match="a folder, pipe or device, not a file"):
        open_rgb(tmp_path)


def test_a_large_jpeg_may_be_decoded_at_a_smaller_scale(tmp_path: Path) -> None:
    """Never below what was asked for on either side; small files and other formats stay as they are, pixel by pixel."""
    noise = np.random.default_rng(0).integers(0, 256, (300, 420, 3), dtype=np.uint8)
    smooth = Image.fromarray(noise).resize((42, 30)).resize((420, 300), Image.Resampling.BICUBIC)
    for ending in ("jpg", "png"):
        smooth.save(tmp_path / f"a.{ending}")
    assert open_rgb(tmp_path / "a.jpg", 70).size == (105, 75)
    assert open_rgb(tmp_path / "a.jpg", 76).size == (210, 150)
    assert open_rgb(tmp_path / "a.jpg", 151).size == (420, 300)
    whole = np.asarray(open_rgb(tmp_path / "a.jpg"), dtype=float)
    assert (np.asarray(open_rgb(tmp_path / "a.jpg", 151)) == whole).all()
    assert open_rgb(tmp_path / "a.png", 70).size == (420, 300)
    half = np.asarray(open_rgb(tmp_path / "a.jpg", 150), dtype=float)
    assert abs(half - whole.reshape(150, 2, 210, 2, 3).mean(axis=(1, 3))).max() < 8
