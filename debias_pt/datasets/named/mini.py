"""The miniatures: synthetic data sets, drawn on first use and kept in the cache folder."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from debias_pt.datasets.attributes import Attribute, TrueAttribute
from debias_pt.datasets.base import Card, DataOptions, ImageDataset, provides
from debias_pt.datasets.named.celeba import GENDER
from debias_pt.datasets.named.metashift import PLACE
from debias_pt.datasets.named.waterbirds import BACKGROUND
from debias_pt.datasets.splits import SPLITS
from debias_pt.datasets.synthetic.worlds import EDITION, MARK, WORLDS, World
from debias_pt.utils.files import locked, make_folder, whole_folder, write_csv

LOG = logging.getLogger(__name__)

TERMS = "synthetic, drawn by this package; free to use"
SUSPECTS = {
    "waterbirds-mini": BACKGROUND,
    "celeba-mini": GENDER,
    "metashift-mini": PLACE,
    "shapes-mini": Attribute("background", {"light": ("a light background",), "dark": ("a dark background",)}),
}


def draw_dataset(world: World, cache_dir: Path, seed: int = 0) -> ImageDataset:
    """Return a miniature, drawing its images if they are not in the cache yet.

    Parameters
    ----------
    world : World
    cache_dir : Path
        Images are written to a separate folder under ``worlds`` here.
    seed : int
        Another seed gives different images of the same kind.
    """
    groups = {split: world.groups(split, seed) for split in SPLITS}
    ids = tuple(f"{split}/{i:05d}.png" for split in SPLITS for i in range(len(groups[split])))
    y, a = np.divmod(np.concatenate(list(groups.values())), len(world.values))
    folder = cache_dir / "worlds" / f"{world.name}-{EDITION}-{seed}"
    dataset = ImageDataset(
        name=world.name,
        root=folder,
        ids=ids,
        y=y,
        split=np.repeat(np.array(SPLITS), [len(groups[split]) for split in SPLITS]),
        class_names=world.class_names,
        attributes={world.attribute: TrueAttribute(world.values, a)},
        suspects={world.attribute: SUSPECTS[world.name]},
    )
    if not folder.is_dir():
        make_folder(folder.parent)
        waiting = f"waiting: another process is drawing into {folder.parent}"
        with locked(folder.parent, lambda: LOG.warning(waiting), "--cache-dir"):
            if not folder.is_dir():  # another process may have drawn it meanwhile
                _draw(world, dataset, seed)
    return dataset


def _draw(world: World, dataset: ImageDataset, seed: int) -> None:
    rows = []
    with whole_folder(Path(dataset.root), "--cache-dir") as unfinished:
        for split in SPLITS:
            (unfinished / split).mkdir()
        for name, (split, y, a, image) in zip(dataset.ids, world.images(seed), strict=True):
            image.save(unfinished / name, compress_level=1)
            rows.append([name, split, world.class_names[y], world.values[a]])
        (unfinished / MARK).write_text("drawn by debias-pt\n")
        # For people who look into the folder.
        write_csv(unfinished / "metadata.csv", ["file_name", "split", "label", world.attribute], rows)


def _provide(world: World) -> None:
    card = Card(
        world.class_names, world.attribute, world.values, world.sizes, TERMS, synthetic=True, model=("mini", None)
    )

    @provides(world.name, card)
    def load(options: DataOptions) -> ImageDataset:
        return draw_dataset(world, options.cache_dir)


for _world in WORLDS.values():
    _provide(_world)
