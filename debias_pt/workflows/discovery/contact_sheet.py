"""Example images of every value and class: six each, as small pictures inside the page."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.datasets.base import ImageDataset
from debias_pt.datasets.thumbnails import thumbnail
from debias_pt.discovery import Discovery, Finding
from debias_pt.features.table import FeatureTable

EACH = 6  # images of a value and class
CLASSES = 6  # of an attribute, those with most errors
SIDE = 96  # pixels
ATTRIBUTES = 5


def examples(finding: Finding, train: FeatureTable, class_names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the training images that show each value of an attribute best, by class.

    Parameters
    ----------
    finding : Finding
    train : FeatureTable
        The training rows that it was found on.
    class_names : tuple of str

    Returns
    -------
    list of dict
        ``value``, ``label``, ``usual`` (whether the class goes with the value), ``n``, ``errors``, ``images`` (ids).
    """
    evidence, rows = finding.evidence, []
    shown = np.sort(np.argsort(-evidence.errors.sum(axis=1), kind="stable")[:CLASSES])
    for v, value in enumerate(finding.attribute.values):
        for k in shown.tolist():
            own = np.flatnonzero((train.y == k) & (finding.value_of == v))
            best = own[np.argsort(-finding.confidence[own], kind="stable")[:EACH]]
            rows.append(
                {
                    "value": value,
                    "label": class_names[k],
                    "usual": bool(evidence.usual[k] == v),
                    "n": int(evidence.counts[k, v]),
                    "errors": int(evidence.errors[k, v]),
                    "images": [train.ids[row] for row in best],
                }
            )
    return rows


def contact_sheet(dataset: ImageDataset, table: FeatureTable, found: Discovery) -> list[dict[str, Any]]:
    """Return the page's pictures: of what was found, else of the strongest candidate; and of unnamed directions."""
    train = table.where("train")
    shown = found.findings[:ATTRIBUTES] or found.candidates[:1]
    sheets: list[dict[str, Any]] = [
        {"title": one.spec, "rows": _with_pictures(dataset, examples(one, train, found.class_names))} for one in shown
    ]
    for one in found.unnamed[:3]:
        along = train.features @ one.direction
        own = np.flatnonzero(train.y == one.true)
        ends = {"most": own[np.argsort(-along[own])[:EACH]], "least": own[np.argsort(along[own])[:EACH]]}
        rows = [_row(one_end, found.class_names[one.true], train, best) for one_end, best in ends.items()]
        title = f"unnamed: {found.class_names[one.true]} taken for {found.class_names[one.predicted]}"
        sheets.append({"title": title, "rows": _with_pictures(dataset, rows)})
    return sheets


def _row(value: str, label: str, train: FeatureTable, best: NDArray[np.int64]) -> dict[str, Any]:
    return {"value": value, "label": label, "images": [train.ids[row] for row in best]}


def _with_pictures(dataset: ImageDataset, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "pictures": [thumbnail(dataset.path(name), SIDE) for name in row["images"]]} for row in rows]
