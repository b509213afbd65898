"""Embeddings that clip-retrieval wrote: ``img_emb/*.npy`` and ``metadata/*.parquet``, numbered alike."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.datasets.splits import Shares
from debias_pt.errors import DatasetError, DebiasWarning, FingerprintError
from debias_pt.features.encoding import encode_paths
from debias_pt.features.files.embeddings_folder import read_folder
from debias_pt.features.table import FeatureTable, table_from_arrays
from debias_pt.models.backbone import Backbone
from debias_pt.utils.registry import nearest

CHECKED = 4  # images that are encoded again
SAME = 0.99  # cosine: half precision and another JPEG decoder stay above, other models far below


def table_from_clip_retrieval(
    backbone: Backbone,
    folder: str | Path,
    class_names: Sequence[str],
    *,
    label_column: str = "label",
    image_column: str = "image_path",
    attribute_columns: Sequence[str] = (),
    split: str | Sequence[str] | None = None,
    shares: Shares | None = None,
) -> FeatureTable:
    """Make a table of the folder that clip-retrieval's inference wrote.

    The files do not say which model made them. A few of the images are therefore encoded again with `backbone`, whose
    fingerprint the table gets if the features agree.

    Parameters
    ----------
    backbone : Backbone
        The model that made the embeddings.
    folder : path-like
        Holds ``img_emb`` and ``metadata``.
    class_names : sequence of str
        K names; labels are these, or their numbers.
    label_column, image_column : str
        Columns of the metadata.
    attribute_columns : sequence of str
        Columns with annotated attributes.
    split, shares
        As for :func:`~debias_pt.features.table.table_from_arrays`.

    Raises
    ------
    DatasetError
        If files are missing or do not go together, or a column or label is unknown.
    FingerprintError
        If another model made the embeddings.

    Warns
    -----
    DebiasWarning
        If none of the images is there to be checked.
    """
    place = Path(folder)
    features, rows = read_folder(place)
    for column in (label_column, *attribute_columns):
        if column not in rows:
            known = ", ".join(rows)
            raise DatasetError(f"{place}: metadata has no column {column!r}{nearest(column, rows)}; it has {known}")
    images = [str(path) for path in rows.get(image_column, [])]
    ids = images if len(set(images)) == len(features) else None
    attributes = {name: [str(value) for value in rows[name]] for name in attribute_columns}
    table = table_from_arrays(
        features,
        _labels(place, rows[label_column], class_names),
        class_names,
        split=split,
        attributes=attributes,
        ids=ids,
        shares=shares,
        name=place.resolve().name,
        fingerprint=backbone.fingerprint,
    )
    _require_same_model(place, backbone, table.features, images)
    return table


def _labels(folder: Path, labels: Sequence[Any], class_names: Sequence[str]) -> NDArray[np.int64]:
    number = {name: k for k, name in enumerate(class_names)} | {str(k): k for k in range(len(class_names))}
    unknown = [row for row, label in enumerate(labels) if str(label) not in number]
    if unknown:
        raise DatasetError(f"{folder}: row {unknown[0]} has the label {labels[unknown[0]]!r}; give it in class_names")
    return np.array([number[str(label)] for label in labels], dtype=np.int64)


def _require_same_model(folder: Path, backbone: Backbone, features: NDArray[np.float32], images: Sequence[str]) -> None:
    if features.shape[1] != backbone.dim:
        raise FingerprintError(
            f"{folder}: {features.shape[1]} features, {backbone!r} makes {backbone.dim}; give its model"
        )
    there = [row for row, path in enumerate(images) if Path(path).is_file()][:CHECKED]
    if not there:
        warnings.warn(
            f"{folder}: none of its images is there, so that it is not checked which model made the embeddings",
            DebiasWarning,
            stacklevel=3,
        )
        return
    again = encode_paths(backbone, [images[row] for row in there]).numpy()
    cosine = (again * features[there]).sum(axis=1)
    if cosine.min() < SAME:
        raise FingerprintError(
            f"{folder}: {images[there[int(cosine.argmin())]]} has other features by {backbone!r} (cosine "
            f"{cosine.min():.3f}); give the model that made the embeddings"
        )
