"""``debias-pt data``: list data sets, show what they look like, and write miniatures in real layouts."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from debias_pt.datasets import DATASETS
from debias_pt.datasets.splits import SPLITS, require_split
from debias_pt.datasets.synthetic.layouts import LAYOUTS
from debias_pt.errors import UsageError
from debias_pt.settings import SourceSettings
from debias_pt.utils.files import make_folder, write_bytes
from debias_pt.utils.registry import lookup
from debias_pt.workflows.source import load_source

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}


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
    from debias_pt.workflows.contact_sheet import contact_sheet

    if out.suffix.lower() not in FORMATS:
        raise UsageError(f"{out}: ends in {out.suffix or 'nothing'!r}; give a file name that ends in .png or .jpg")
    require_split(split)
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
