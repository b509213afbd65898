"""Features and words with a planted shortcut: known directions, no model."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from debias_pt.datasets.synthetic.worlds import WORLDS
from debias_pt.discovery.embedding import Array
from debias_pt.discovery.reading import Reading, reading_of
from debias_pt.discovery.set_aside import unit
from debias_pt.discovery.words import Vocabulary, everyday_words
from debias_pt.features.table import FeatureTable

DIM, CLASS, PLACE = 32, 0, 1
WORDS = ("lake", "sea", "forest", "wood", *(f"noise{i}" for i in range(36)))


def planted_table(shortcut: bool = True, seed: int = 0, spread: bool = False) -> FeatureTable:
    """Two classes; with a shortcut, 95 % of each class have its place, without one half.

    A place that is `spread` also shows in directions that a shrunk head does not look at, as noise hides it there.
    """
    rng = np.random.default_rng(seed)
    y = np.repeat([0, 1], 600)
    place = np.where(rng.random(1200) < (0.95 if shortcut else 0.5), y, 1 - y)
    x = rng.normal(0, 0.5, (1200, DIM))
    x[:, CLASS] += 0.6 * (2 * y - 1)
    x[:, PLACE] += 1.5 * (2 * place - 1)
    if spread:
        x[:, 20:26] = rng.normal(0, 1.5, (1200, 6)) + 1.5 * (2 * place - 1)[:, None]
    x[:, -1] += 4
    return FeatureTable(
        tuple(f"i{i}" for i in range(1200)),
        unit(x).astype(np.float32),
        y,
        np.full(1200, "train"),
        ("land bird", "gull"),
    )


def planted_words(seed: int = 1) -> tuple[Array, Array]:
    """Unit embeddings of `WORDS` and of the class texts."""
    rng = np.random.default_rng(seed)
    words = rng.normal(0, 0.3, (len(WORDS), DIM))
    words[:, :2] = 0
    words[:2, PLACE], words[2:4, PLACE] = 2, -2
    words[:, -1] += 4
    classes = np.zeros((2, DIM))
    classes[:, CLASS] = -1, 1
    classes[:, -1] = 4
    return unit(words), unit(classes)


def planted_reading(*lines: str, seed: int = 1) -> Reading:
    """Read attributes and words: "lake", "sea" and "forest", "wood" point where a place shows, the rest is noise."""
    rng = np.random.default_rng(seed)
    vocabulary = Vocabulary.of(lines)
    asked = [phrase for one in vocabulary.attributes for phrases in one.values.values() for phrase in phrases]
    texts = list(dict.fromkeys([*everyday_words()[:300], *asked]))
    rows = rng.normal(0, 0.3, (len(texts), DIM))
    rows[:, :2] = 0
    for place, words in ((2, ("lake", "sea")), (-2, ("forest", "wood"))):
        for word in set(words) & set(texts):
            rows[texts.index(word)] *= 0.3
            rows[texts.index(word), PLACE] = place
    rows[:, -1] += 4
    return reading_of(vocabulary, texts, unit(rows), planted_words()[1], ("land bird", "gull"))


def write_birds(folder: Path, sizes: tuple[int, ...] = (150, 20, 20, 150)) -> Path:
    """Write a table of drawn birds, 90 % on their class's usual background, and return its path."""
    world, rows = WORLDS["waterbirds-mini"], []
    for split, counts in {"train": sizes, "val": (8, 8, 8, 8), "test": (8, 8, 8, 8)}.items():
        for group, count in enumerate(counts):
            for index in range(count):
                name = f"{split}-{group}-{index}.png"
                world.scene(split, index, group, 0).image.save(folder / name)
                rows.append([name, split, world.class_names[group // 2], world.values[group % 2]])
    with open(folder / "birds.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["path", "split", "label", "background"], *rows])
    return folder / "birds.csv"
