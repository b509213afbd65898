"""What a tuner can classify: features, tables, image files, and images that are at hand in Python."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from debias_pt.datasets.image_files import gather
from debias_pt.datasets.images import to_rgb
from debias_pt.errors import UsageError
from debias_pt.features.encoding import encode_paths, encode_tensors
from debias_pt.features.mapped import is_mapped
from debias_pt.features.table import FeatureTable
from debias_pt.models.backbone import Backbone
from debias_pt.utils.row_blocks import row_blocks
from debias_pt.utils.stores.addresses import is_shards

EXPECTED = "features (N, D), a FeatureTable, image files or a folder, or PIL images"
AT_A_TIME = 256  # preprocessed images that are held in memory
# Unit features, a table, a path or several, an image or several.
Inputs = ArrayLike | FeatureTable | str | Path | Image.Image | Sequence[str] | Sequence[Path] | Sequence[Image.Image]


def unit_features(inputs: Inputs, backbone: Callable[[], Backbone], dim: int) -> NDArray[np.float32]:
    """Return unit features ``(N, D)`` of what is to be classified; images are encoded first.

    Parameters
    ----------
    inputs : Inputs
        Features (an array, tensor or list of rows), a table, an image file or a list of them, a folder of images, a PIL
        image or a list of images as :func:`debias_pt.features.samples.encode_samples` takes them.
    backbone : callable
        Gives the model, if there is an image to encode.
    dim : int
        D.

    Raises
    ------
    UsageError
        If it is nothing of the kind, or features have another D or are not of unit length.
    ImageError
        If an image cannot be read.
    """
    if isinstance(inputs, FeatureTable):
        return _checked(inputs.features, dim)
    if isinstance(inputs, str | Path):
        paths = gather([str(inputs)])[0] if os.path.isdir(inputs) or is_shards(str(inputs)) else [str(inputs)]
        return encode_paths(backbone(), paths).numpy()
    if isinstance(inputs, Image.Image):
        return _encoded([inputs], backbone())
    if isinstance(inputs, list | tuple) and inputs:
        if all(isinstance(one, str | Path) for one in inputs):
            return encode_paths(backbone(), [str(one) for one in inputs]).numpy()
        if all(isinstance(one, Image.Image) or np.ndim(one) > 1 for one in inputs):
            return _encoded(inputs, backbone())
    return _checked(inputs, dim)


def feature_blocks(inputs: Inputs, backbone: Callable[[], Backbone], dim: int) -> Iterator[NDArray[np.float32]]:
    """Yield unit features ``(n, D)`` of what is to be classified: some rows at a time from a file, else all at once.

    See :func:`unit_features`.
    """
    features = inputs.features if isinstance(inputs, FeatureTable) else inputs
    if not (is_mapped(features) and isinstance(features, np.ndarray) and len(features)):
        yield unit_features(inputs, backbone, dim)
        return
    for rows in row_blocks(len(features)):
        yield _checked(features[rows], dim)


def _encoded(images: Sequence[Any], backbone: Backbone) -> NDArray[np.float32]:
    parts = []
    for first in range(0, len(images), AT_A_TIME):
        some = images[first : first + AT_A_TIME]
        tensors = [backbone.preprocess(to_rgb(one)) for one in some]
        parts.append(encode_tensors(backbone, tensors, [f"image {first + i}" for i in range(len(some))]))
    return np.concatenate(parts)


def _checked(inputs: Any, dim: int) -> NDArray[np.float32]:
    try:
        given = inputs.detach().cpu().numpy() if isinstance(inputs, torch.Tensor) else inputs
        features = np.asarray(given, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise UsageError(f"cannot classify {type(inputs).__name__!r}; give {EXPECTED}") from error
    if features.ndim != 2 or features.shape[1] != dim:
        raise UsageError(f"features have shape {features.shape}, (N, {dim}) expected; give {EXPECTED}")
    length = np.sqrt(np.einsum("nd,nd->n", features, features, dtype=np.float64))
    if len(features) and not (abs(length - 1) <= 1e-2).all():
        row = int(np.argmin(abs(length - 1) <= 1e-2))
        raise UsageError(f"the features of row {row} have length {length[row]:.3g}, not 1; normalise them")
    return features
