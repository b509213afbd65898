"""Example images of every value and class, and of both sides of what has no name: six each, as small pictures."""

from __future__ import annotations

from typing import Any

import numpy as np

from debias_pt.datasets.base import ImageDataset
from debias_pt.datasets.thumbnails import thumbnail
from debias_pt.discovery import Discovery, Finding
from debias_pt.discovery.unnamed import UnnamedDirection
from debias_pt.features.table import FeatureTable

EACH = 6  # images of a value and class
CLASSES = 6  # of an attribute, those with most errors
SIDE = 96  # pixels
ATTRIBUTES = 5
UNNAMED = 3


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


def sides(one: UnnamedDirection, train: FeatureTable, class_names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the training images farthest to either side of a direction without a name, by class.

    Parameters
    ----------
    one : UnnamedDirection
    train : FeatureTable
        The training rows that it was found on.
    class_names : tuple of str

    Returns
    -------
    list of dict
        ``value`` (the side), ``label``, ``images`` (ids); of the class with the errors and the one it is taken for.
    """
    along, rows = train.features @ one.direction, []
    for value, sign in ((f"the side of those taken for {class_names[one.predicted]}", -1), ("the other side", 1)):
        for k in (one.true, one.predicted):
            own = np.flatnonzero(train.y == k)
            best = own[np.argsort(sign * along[own], kind="stable")[:EACH]]
            rows.append({"value": value, "label": class_names[k], "images": [train.ids[row] for row in best]})
    return rows


def contact_sheet(dataset: ImageDataset, table: FeatureTable, found: Discovery) -> list[dict[str, Any]]:
    """Return the page's pictures: of what was found, and of the strongest directions without a name."""
    train, names = table.where("train"), found.class_names
    sheets: list[dict[str, Any]] = [
        {"title": one.spec, "rows": _with_pictures(dataset, examples(one, train, names))}
        for one in found.findings[:ATTRIBUTES]
    ]
    for one in found.unnamed[:UNNAMED]:
        title = f"without a name: {names[one.true]} taken for {names[one.predicted]}"
        sheets.append({"title": title, "rows": _with_pictures(dataset, sides(one, train, names))})
    return sheets


def _with_pictures(dataset: ImageDataset, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "pictures": [thumbnail(dataset.path(name), SIDE) for name in row["images"]]} for row in rows]
