"""The miniatures: synthetic data sets, drawn on first use and kept in the cache folder."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path

import numpy as np

from debias_pt.attributes import Attribute
from debias_pt.datasets.base import Card, DataOptions, ImageDataset, provides
from debias_pt.datasets.waterbirds import BACKGROUND
from debias_pt.features import SPLITS, TrueAttribute
from debias_pt.files import locked, make_folder, whole_folder, write_bytes
from debias_pt.mini.worlds import EDITION, WORLDS, World
from debias_pt.progress import progress

TERMS = "synthetic, drawn by this package; free to use"
SUSPECTS = {
    "waterbirds-mini": BACKGROUND,
    "celeba-mini": Attribute(
        "gender",
        {"female": ("a female", "a woman", "a female celebrity"), "male": ("a male", "a man", "a male celebrity")},
    ),
    "metashift-mini": Attribute(
        "place",
        {"outdoor": ("outdoors",), "indoor": ("indoors",)},
        templates=("a photo taken {attribute}.", "{attribute}.", "a picture taken {attribute}."),
    ),
    "shapes-mini": Attribute("background", {"light": ("a light background",), "dark": ("a dark background",)}),
}


def draw_dataset(world: World, cache_dir: Path, seed: int = 0) -> ImageDataset:
    """Return a miniature, drawing its images where the cache does not hold them yet.

    Parameters
    ----------
    world : World
    cache_dir : Path
        The images come to stand in a folder of their own under ``worlds`` here.
    seed : int
        Another seed gives other images of the same kind.
    """
    groups = {split: world.groups(split, seed) for split in SPLITS}
    ids = tuple(image_id(split, i) for split in SPLITS for i in range(len(groups[split])))
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
        with locked(folder.parent, lambda: print(waiting, file=sys.stderr), "--cache-dir"):
            if not folder.is_dir():  # another process may have drawn it meanwhile
                _draw(world, dataset, seed)
    return dataset


def image_id(split: str, index: int) -> str:
    """Return the file name of an image below the miniature's folder."""
    return f"{split}/{index:05d}.png"


def _draw(world: World, dataset: ImageDataset, seed: int) -> None:
    labels = dataset.attributes[world.attribute].labels
    with whole_folder(dataset.root, "--cache-dir") as temporary:
        for split in SPLITS:
            (temporary / split).mkdir()
        with progress(f"drawing {world.name} (synthetic)", len(dataset), "images") as advance:
            for name, y, a in zip(dataset.ids, dataset.y, labels, strict=True):
                split, _, file = name.partition("/")
                scene = world.scene(split, int(Path(file).stem), y * len(world.values) + a, seed)
                scene.image.save(temporary / name, compress_level=1)
                advance(1)
        write_bytes(temporary / "metadata.csv", _table(dataset).encode())


def _table(dataset: ImageDataset) -> str:
    """Return one line per image, for people who look into the folder."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["file_name", "split", "label", *dataset.attributes])
    for i, name in enumerate(dataset.ids):
        known = [true.values[true.labels[i]] for true in dataset.attributes.values()]
        writer.writerow([name, dataset.split[i], dataset.class_names[dataset.y[i]], *known])
    return out.getvalue()


def _provide(world: World) -> None:
    card = Card(
        world.class_names, world.attribute, world.values, world.sizes, TERMS, synthetic=True, model=("mini", None)
    )

    @provides(world.name, card)
    def load(options: DataOptions) -> ImageDataset:
        return draw_dataset(world, options.cache_dir)


for _world in WORLDS.values():
    _provide(_world)
