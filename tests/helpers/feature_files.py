"""Features of a small made-up world: two classes, and a value that usually goes with each; 90 words beside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DIM = 16
CLASSES = ("landbird", "waterbird")
PLACES = ("land", "water")
SPLITS = {"train": 120, "val": 40, "test": 40}
Columns = dict[str, NDArray[Any]]


def directions() -> NDArray[np.float64]:
    """Return the directions of both classes and both places, each of unit length."""
    return np.linalg.qr(np.random.default_rng(5).normal(size=(DIM, 4)))[0].T


def columns(seed: int = 0) -> Columns:
    """Return features of unit length, label, place, split and id of every row."""
    rng, ways = np.random.default_rng(seed), directions()
    split = np.repeat(list(SPLITS), list(SPLITS.values()))
    y = np.arange(len(split)) % 2
    odd = np.where(split == "train", rng.random(len(split)) < 0.15, np.arange(len(split)) // 2 % 2 == 1)
    place = np.where(odd, 1 - y, y)
    features = 0.4 * ways[y] + 0.9 * ways[2 + place] + 0.16 * rng.normal(size=(len(y), DIM))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    ids = [f"bird-{row}.jpg" for row in range(len(y))]
    return {
        "features": features.astype(np.float32),
        "label": np.array(CLASSES)[y],
        "place": np.array(PLACES)[place],
        "split": split,
        "id": np.array(ids),
    }


def by_split(of: Columns) -> Columns:
    """Return ``train_features``, ``train_labels`` (numbers), ``train_place`` and so on, and the class names."""
    found: Columns = {"class_names": np.array(CLASSES)}
    for split in SPLITS:
        rows = of["split"] == split
        found[f"{split}_features"] = of["features"][rows]
        found[f"{split}_labels"] = (of["label"][rows] == CLASSES[1]).astype(np.int64)
        found[f"{split}_place"] = of["place"][rows]
    return found


def write_words(path: Path, more: int = 86) -> Path:
    """Write text features: classes and places by their directions, other words by chance."""
    rng = np.random.default_rng(9)
    others = 0.3 * rng.normal(size=(more, DIM))
    names = ["landbird", "waterbird", "land", "water", *[f"thing {number}" for number in range(more)]]
    features = np.concatenate([directions(), others + directions().mean(axis=0)])
    np.savez(path, words=np.array(names), features=features / np.linalg.norm(features, axis=1, keepdims=True))
    return path
