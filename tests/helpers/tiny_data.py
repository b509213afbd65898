"""Small things to test on: a random checkpoint, a Waterbirds folder of coloured blobs, Gaussian features."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import torch
from open_clip.model import CLIP
from PIL import Image
from safetensors.torch import save_file

from debias_pt.datasets.attributes import TrueAttribute
from debias_pt.features.table import FeatureTable

MODEL = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "patch_size": 8, "head_width": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}
SIZES = {"train": (24, 6, 5, 13), "val": (6, 5, 4, 5), "test": (6, 6, 5, 5)}
FOLDER = "waterbirds_v1.0"


def write_checkpoint(folder: Path, seed: int = 0) -> Path:
    """Write a random CLIP as an open_clip ``local-dir:`` checkpoint."""
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = CLIP(**MODEL)
    preprocess = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "shortest"}
    config = {"model_cfg": MODEL, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return folder


def write_waterbirds(root: Path, seed: int = 0) -> Path:
    """Write a tiny data set in the layout of WILDS' Waterbirds and return its root."""
    rng = np.random.default_rng(seed)
    folder = root / FOLDER
    rows = []
    for split, (name, sizes) in enumerate(SIZES.items()):
        for group, size in enumerate(sizes):
            for i in range(size):
                y, place = divmod(group, 2)
                file = f"{y:03d}.Bird/{name}_{group}_{i}.jpg"
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                draw_bird(rng, y, place).save(folder / file, quality=90)
                rows.append([len(rows) + 1, file, y, split, place, f"/p/{place}.jpg"])
    with open(folder / "metadata.csv", "w", newline="") as file_:
        writer = csv.writer(file_)
        writer.writerow(["img_id", "img_filename", "y", "split", "place", "place_filename"])
        writer.writerows(rows)
    return root


def draw_bird(rng: np.random.Generator, y: int, place: int) -> Image.Image:
    """Draw a bright or dark patch on green or blue, with noise."""
    pixels = np.full((36, 40, 3), ((40, 140, 50), (30, 70, 190))[place], dtype=np.float64)
    top, left = rng.integers(4, 18, size=2)
    pixels[top : top + 12, left : left + 14] = ((150, 60, 30), (230, 230, 230))[y]
    return Image.fromarray(np.clip(pixels + rng.normal(0, 20, pixels.shape), 0, 255).astype(np.uint8))


def gaussian_table(dim: int = 24, scale: int = 1, seed: int = 0) -> FeatureTable:
    """Features with a weak class direction and a strong attribute direction: a shortcut to learn."""
    rng = np.random.default_rng(seed)
    y, a, split = [], [], []
    for name, sizes in {"train": (190, 10, 10, 190), "val": (40, 40, 40, 40), "test": (100, 100, 100, 100)}.items():
        for group, size in enumerate(sizes):
            y += [group // 2] * size * scale
            a += [group % 2] * size * scale
            split += [name] * size * scale
    labels, places = np.array(y), np.array(a)
    features = rng.normal(0, 0.5, (len(y), dim))
    features[:, 0] += 0.7 * (2 * labels - 1)
    features[:, 1] += 1.5 * (2 * places - 1)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return FeatureTable(
        ids=tuple(f"row{i}" for i in range(len(y))),
        features=features.astype(np.float32),
        y=labels,
        split=np.array(split),
        class_names=("landbird", "waterbird"),
        attributes={"background": TrueAttribute(("land", "water"), places)},
        name="gaussian",
    )
