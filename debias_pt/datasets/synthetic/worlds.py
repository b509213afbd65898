"""The four worlds of the miniatures: what they consist of, and every image by its number."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from debias_pt.datasets.splits import SPLITS
from debias_pt.datasets.synthetic import birds, faces, pets, shapes
from debias_pt.datasets.synthetic.scene import Scene
from debias_pt.utils.progress import progress

# A file in every folder of drawn images that marks them as synthetic, whatever name they are read under.
MARK = ".synthetic"
EDITION = 1  # raise it when drawing changes: caches and figures belong to an edition
# Separate random streams: a benchmark's splits, and what the model was pretrained on.
STREAMS = {"train": 0, "val": 1, "test": 2, "pretraining": 3}


@dataclass(frozen=True)
class World:
    """A synthetic benchmark.

    Parameters
    ----------
    name : str
        Of the data set, such as ``"waterbirds-mini"``.
    number : int
        Separates its random streams from those of other worlds.
    class_names : tuple of str
    attribute : str
        Name of the annotated attribute.
    values : tuple of str
        Its values.
    draw : callable
        (generator, class, value) to Scene.
    sizes : mapping of str to tuple of int
        For each split the number of images by group, ``class * len(values) + value``.
    web : tuple of float
        How often each group occurs in the pretraining images, in any unit.

    Examples
    --------
    >>> WORLDS["waterbirds-mini"].scene("train", 0, group=2).image.size
    (64, 64)
    """

    name: str
    number: int
    class_names: tuple[str, ...]
    attribute: str
    values: tuple[str, ...]
    draw: Callable[[np.random.Generator, int, int], Scene]
    sizes: Mapping[str, tuple[int, ...]]
    web: tuple[float, ...]

    def groups(self, split: str, seed: int = 0) -> NDArray[np.int64]:
        """Return the group of every image of a split, shuffled, shape ``(N,)``."""
        groups = np.repeat(np.arange(len(self.sizes[split])), self.sizes[split])
        return np.asarray(self._generator(split, seed).permutation(groups), dtype=np.int64)

    def scene(self, split: str, index: int, group: int, seed: int = 0) -> Scene:
        """Draw image number `index` of a split, the same whenever it is asked for."""
        y, a = divmod(int(group), len(self.values))
        return self.draw(self._generator(split, seed, index), y, a)

    def images(self, seed: int = 0) -> Iterator[tuple[str, int, int, Image.Image]]:
        """Draw all splits one after the other, with a progress bar, yielding (split, class, value, image)."""
        total = sum(map(sum, self.sizes.values()))
        with progress(f"drawing {self.name} (synthetic)", total, "images") as advance:
            for split in SPLITS:
                for index, group in enumerate(self.groups(split, seed)):
                    y, a = divmod(int(group), len(self.values))
                    yield split, y, a, self.scene(split, index, group, seed).image
                    advance(1)

    def _generator(self, split: str, seed: int, *index: int) -> np.random.Generator:
        return np.random.default_rng([seed, self.number, STREAMS[split], *index])


WORLDS = {
    world.name: world
    for world in (
        # Waterbirds' group sizes halved.
        World(
            "waterbirds-mini", 0, birds.CLASSES, "background", birds.PLACES, birds.draw,
            {"train": (1749, 92, 28, 528), "val": (234, 233, 66, 66), "test": (1128, 1128, 321, 321)},
            web=(7, 3, 3, 7),
        ),
        # CelebA's by 40, val and test by 10 and 5, so that blond men can be counted.
        World(
            "celeba-mini", 1, faces.CLASSES, "gender", faces.GENDERS, faces.draw,
            {"train": (1791, 1672, 572, 35), "val": (854, 828, 287, 18), "test": (1953, 1507, 496, 36)},
            web=(5, 6, 7, 2),
        ),
        # Exactly those of SubpopBench's MetaShift.
        World(
            "metashift-mini", 2, pets.CLASSES, "place", pets.PLACES, pets.draw,
            {"train": (784, 507, 196, 789), "val": (127, 75, 33, 114), "test": (273, 191, 65, 345)},
            web=(6, 4, 4, 6),
        ),
        # Many classes, and a control: the background says nothing about them.
        World(
            "shapes-mini", 3, shapes.CLASSES, "background", shapes.GROUNDS, shapes.draw,
            {"train": (32,) * 48, "val": (8,) * 48, "test": (25,) * 48},
            web=(1,) * 48,
        ),
    )
}  # fmt: skip
