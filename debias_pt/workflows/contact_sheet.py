"""A picture of a data set: a row of sample images for every group."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from debias_pt.datasets.base import ImageDataset
from debias_pt.datasets.images import open_rgb
from debias_pt.groups.groups import known_groups

TILE = 96  # pixels a side
MARGIN = 190
GAP = 4


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
        text = "\n".join([*names[number].split(", "), f"{len(members)} images"])
        pen.multiline_text((6, top + TILE // 2), text, fill="black", font=font, anchor="lm")
        for place, row in enumerate(rng.permutation(members)[:columns]):
            image = open_rgb(dataset.root / dataset.ids[row])
            image.thumbnail((TILE, TILE))
            tile = image if max(image.size) == TILE else image.resize((TILE, TILE), Image.Resampling.BICUBIC)
            sheet.paste(tile, (MARGIN + place * (TILE + GAP), top))
    if left_out:
        pen.text((6, height - 20), f"and {left_out} more groups", fill="black", font=font)
    return sheet
