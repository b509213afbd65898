"""Weak augmentation as cached views: V random crops of every image, some of them flipped, encoded once.

CoOp and its successors crop and flip every image anew in every epoch, which needs the image tower at every
step. Here V crops per image are drawn once, encoded and kept; training then draws among them. The difference:
a finite sample of crops stands for their whole distribution, and the same few are seen again and again.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from debias_pt.datasets.base import ImageDataset
from debias_pt.datasets.image_keys import image_keys
from debias_pt.datasets.images import open_rgb
from debias_pt.errors import UsageError
from debias_pt.features.cache import FeatureCache
from debias_pt.features.claims import Claims
from debias_pt.features.encoding import encode_tensors
from debias_pt.models.backbone import Backbone
from debias_pt.utils.files import default_cache_dir
from debias_pt.utils.progress import progress

Box = tuple[int, int, int, int]  # left, top, right, bottom
SHARD_CROPS = 256  # that are in memory at once, and kept together
TRIES = 10  # at a crop that fits, before the largest central one is taken: as torchvision does


@dataclass(frozen=True)
class Augmentation:
    """Random resized crop, bicubic, then a random horizontal flip; the defaults are CoOp's (arXiv 2109.01134).

    Parameters
    ----------
    scale : tuple of float
        Smallest and largest share of the image's area that is cropped.
    ratio : tuple of float
        Smallest and largest width over height of the crop.
    flip : float
        Probability of the flip.

    Raises
    ------
    UsageError
        If one is out of range.
    """

    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.scale[0] <= self.scale[1] <= 1:
            raise UsageError(f"scale is {self.scale}; two rising shares of the area, above 0 and at most 1, expected")
        if not 0 < self.ratio[0] <= self.ratio[1] < math.inf:
            raise UsageError(f"ratio is {self.ratio}; two rising numbers above 0 expected")
        if not 0 <= self.flip <= 1:
            raise UsageError(f"flip is {self.flip}; a probability, 0 to 1, expected")

    def draw(self, generator: np.random.Generator, width: int, height: int) -> tuple[Box, bool]:
        """Draw a crop of an image of this size in pixels, and whether to flip it.

        Area and logarithm of the ratio are uniform; a crop that does not fit is drawn again.
        """
        flip = bool(generator.random() < self.flip)
        for _ in range(TRIES):
            area = width * height * generator.uniform(*self.scale)
            ratio = math.exp(generator.uniform(math.log(self.ratio[0]), math.log(self.ratio[1])))
            w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < w <= width and 0 < h <= height:
                left, top = int(generator.integers(width - w + 1)), int(generator.integers(height - h + 1))
                return (left, top, left + w, top + h), flip
        return self._central(width, height), flip

    def _central(self, width: int, height: int) -> Box:
        """Return the largest central crop whose ratio is allowed."""
        ratio = min(max(width / height, self.ratio[0]), self.ratio[1])
        w, h = min(width, round(height * ratio)), min(height, round(width / ratio))
        left, top = (width - w) // 2, (height - h) // 2
        return left, top, left + w, top + h

    def __call__(self, image: Image.Image, size: int, generator: np.random.Generator) -> Image.Image:
        """Return a square of `size` pixels cropped from the image."""
        box, flip = self.draw(generator, *image.size)
        square = image.crop(box).resize((size, size), Image.Resampling.BICUBIC)
        return square.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flip else square


def encode_views(
    backbone: Backbone,
    dataset: ImageDataset,
    rows: Sequence[int] | NDArray[np.int64],
    views: int,
    seed: int,
    *,
    augmentation: Augmentation | None = None,
    cache_dir: Path | None = None,
) -> NDArray[np.float32]:
    """Encode `views` random crops of these images that the cache does not hold yet.

    A crop depends only on the image's content, the view's number and the seed, so that adding views or rows changes
    no other crop. Its features are cached next to those of plain images.

    Parameters
    ----------
    backbone : Backbone
        The frozen model.
    dataset : ImageDataset
    rows : sequence of int
        n rows of the data set.
    views : int
        V, 1 or more.
    seed : int
    augmentation : Augmentation, optional
        Default CoOp's.
    cache_dir : Path, optional
        Default: ``$DEBIAS_PT_CACHE`` or ``~/.cache/debias-pt``.

    Returns
    -------
    ndarray of float32, shape (V, n, D)
        Unit features. The plain image is not among them; prepend ``table.features[rows][None]`` to add it.

    Raises
    ------
    UsageError
        If `views` is below 1.
    ImageError
        If an image cannot be read; what was encoded before is kept.

    Examples
    --------
    >>> views = encode_views(backbone, dataset, rows, views=4, seed=0)       # doctest: +SKIP
    >>> views.shape                                                          # doctest: +SKIP
    (4, 1600, 512)
    """
    if views < 1:
        raise UsageError(f"views is {views}; 1 or more expected")
    augmentation = augmentation or Augmentation()
    cache_dir = cache_dir or default_cache_dir()
    cache = FeatureCache(cache_dir, {**backbone.fingerprint, "augmentation": _described(augmentation)})
    names = [dataset.ids[row] for row in rows]
    hashes = image_keys(dataset, names, cache_dir / "hashes")
    keys = [[_key(content, view, seed) for content in hashes] for view in range(views)]
    wanted = [key for of_view in keys for key in of_view]
    known = cache.read()
    missing = known.missing(wanted)
    if missing:
        paths = dict(zip(wanted, [dataset.path(name) for name in names] * views, strict=True))
        _encode(backbone, missing, [paths[key] for key in missing], augmentation, cache)
        known = cache.read()
    return known.gather(wanted).reshape(views, len(names), -1)


def _described(augmentation: Augmentation) -> dict[str, object]:
    # Lists, as JSON gives them back; the interpolation is fixed, but features depend on it.
    return {"scale": list(augmentation.scale), "ratio": list(augmentation.ratio), "flip": augmentation.flip,
            "interpolation": "bicubic"}  # fmt: skip


def _key(content: str, view: int, seed: int) -> str:
    return hashlib.sha256(f"{content} {view} {seed}".encode()).hexdigest()


def _encode(
    backbone: Backbone, missing: Sequence[str], paths: Sequence[str], augmentation: Augmentation, cache: FeatureCache
) -> None:
    """Encode and keep crops block by block, each drawn by its own key; threads read (Pillow releases the GIL)."""
    size = _side(backbone)

    def crop(key: str, path: str) -> Tensor:
        generator = np.random.default_rng(int(key, 16))
        return backbone.preprocess(augmentation(open_rgb(path), size, generator))

    with (
        ThreadPoolExecutor(os.cpu_count() or 1) as pool,
        progress("encoding views", len(missing), "crops") as advance,
        Claims(cache, missing, paths, SHARD_CROPS) as claims,
    ):
        for block in itertools.chain(claims.free(), claims.others()):  # one at a time: waiting holds nothing
            cache.add(block.keys, encode_tensors(backbone, list(pool.map(crop, block.keys, block.paths)), block.paths))
            claims.release(block)
            advance(len(block))


def _side(backbone: Backbone) -> int:
    """Return the image tower's input size in pixels; its own resizing then leaves a crop unchanged."""
    return int(backbone.preprocess(Image.new("RGB", (8, 8))).shape[-1])
