"""The groups that a data set knows of itself, before any model is asked."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from debias_pt.datasets.base import ImageDataset
from debias_pt.groups import Groups


def known_groups(dataset: ImageDataset) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return the group of every image and the groups' names: class x annotation, or the classes where there is none.

    Returns
    -------
    index : ndarray of int, shape (N,)
    names : tuple of str
    """
    if not dataset.attributes:
        return dataset.y, dataset.class_names
    groups = Groups.true(dataset.y, dataset.class_names, list(dataset.attributes.values()))
    return groups.index, groups.names
