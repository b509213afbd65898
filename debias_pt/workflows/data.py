"""``debias-pt data``: list data sets, show what they look like, and write miniatures in real layouts."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from debias_pt.datasets import DATASETS
from debias_pt.datasets.base import ImageDataset
from debias_pt.datasets.custom.feature_paths import holds_features
from debias_pt.datasets.images import open_rgb
from debias_pt.datasets.splits import SPLITS, require_split
from debias_pt.datasets.synthetic.layouts import LAYOUTS
from debias_pt.errors import UsageError
from debias_pt.groups.groups import known_groups
from debias_pt.settings import SourceSettings
from debias_pt.utils.files import make_folder, write_bytes
from debias_pt.utils.registry import lookup
from debias_pt.utils.words import escaped
from debias_pt.workflows.source import load_source

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
TILE = 96  # pixels a side
MARGIN = 190
GAP = 4


def list_datasets() -> list[dict[str, Any]]:
    """Return a row per data set: name, synthetic, classes, attribute, images by split, terms."""
    rows = []
    for name, source in DATASETS.items():
        card = source.card
        rows.append(
            {
                "name": name,
                "synthetic": card.synthetic,
                "classes": list(card.class_names),
                "n_classes": card.n_classes,
                "attribute": {"name": card.attribute, "values": list(card.values)} if card.attribute else None,
                "images": {split: sum(card.counts[split]) for split in SPLITS},
                "train_groups": list(card.counts["train"]),
                "default_model": card.model[0],
                "terms": card.terms,
            }
        )
    return rows


def picture(settings: SourceSettings, out: Path, *, split: str, columns: int, seed: int) -> dict[str, Any]:
    """Write a picture with sample images of every group of a split.

    Raises
    ------
    UsageError
        If the file's extension is not an image format, or the split is unknown.
    """
    if out.suffix.lower() not in FORMATS:
        raise UsageError(f"{out}: ends in {out.suffix or 'nothing'!r}; give a file name that ends in .png or .jpg")
    require_split(split)
    if holds_features(settings.dataset):
        raise UsageError(f"{settings.dataset} holds features, and no images to show; give the images")
    dataset = load_source(settings, check_counts=settings.check_counts, check_images=True)
    image = contact_sheet(dataset, split, columns=columns, seed=seed)
    encoded = io.BytesIO()
    image.save(encoded, format=FORMATS[out.suffix.lower()])
    make_folder(out.parent)
    write_bytes(out, encoded.getvalue())
    return {"dataset": settings.dataset, "synthetic": dataset.synthetic, "split": split, "file": str(out)}


def write(name: str, out: Path, *, seed: int = 0) -> dict[str, Any]:
    """Write a miniature in the layout of the real benchmark.

    Raises
    ------
    UsageError
        If the data set is not a miniature, or not one of a real data set.
    OutputError
        If the folder already exists or cannot be written.
    """
    layout = lookup(LAYOUTS, name, "miniature with a real layout")
    folder = layout(out, seed)
    return {"dataset": name, "synthetic": True, "folder": str(folder), "data_root": str(out)}


def contact_sheet(
    dataset: ImageDataset, split: str = "train", *, columns: int = 8, seed: int = 0, most_rows: int = 16
) -> Image.Image:
    """Show `columns` random images of every group, with the group's name and size next to them.

    Parameters
    ----------
    dataset : ImageDataset
    split : str
        ``"train"``, ``"val"`` or ``"test"``.
    columns : int
        Images in a row.
    seed : int
        Of the random choice.
    most_rows : int
        Groups beyond this many are left out, and the last line says so.

    Returns
    -------
    PIL.Image.Image
        RGB.
    """
    rows = np.flatnonzero(dataset.split == split)
    index, names = known_groups(dataset)
    shown = min(len(names), most_rows)
    left_out = len(names) - shown
    height = shown * (TILE + GAP) + (24 if left_out else 0)
    sheet = Image.new("RGB", (MARGIN + columns * (TILE + GAP), height), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    rng = np.random.default_rng(seed)
    for number in range(shown):
        members = rows[index[rows] == number]
        top = number * (TILE + GAP)
        text = "\n".join([*map(escaped, names[number].split(", ")), f"{len(members)} images"])
        pen.multiline_text((6, top + TILE // 2), text, fill="black", font=font, anchor="lm")
        for place, row in enumerate(rng.permutation(members)[:columns]):
            image = open_rgb(dataset.path(dataset.ids[row]))
            image.thumbnail((TILE, TILE))
            tile = image if max(image.size) == TILE else image.resize((TILE, TILE), Image.Resampling.BICUBIC)
            sheet.paste(tile, (MARGIN + place * (TILE + GAP), top))
    if left_out:
        pen.text((6, height - 20), f"and {left_out} more groups", fill="black", font=font)
    return sheet
