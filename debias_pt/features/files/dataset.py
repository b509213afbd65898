"""A data set of features: what an image data set says of each row, and the features in place of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.datasets.base import ImageDataset
from debias_pt.errors import DatasetError
from debias_pt.features.table import FeatureTable


@dataclass(frozen=True, repr=False)
class FeatureDataset(ImageDataset):
    """Features of N images that are not there, with labels, splits and annotations.

    Parameters
    ----------
    features : ndarray of float32, shape (N, D)
        Rows of unit length.
    made_by : mapping
        Fingerprint of the model that made them, empty if nothing says.
    image_hashes : tuple of str
        SHA-256 of each image file, where that was kept.
    **more
        As of :class:`~debias_pt.datasets.base.ImageDataset`; `ids` are names, of no file here.
    """

    features: NDArray[np.float32] = field(kw_only=True)
    made_by: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    image_hashes: tuple[str, ...] = field(default=(), kw_only=True)

    @property
    def dim(self) -> int:
        """Size D of the features."""
        return int(self.features.shape[1])

    def path(self, name: str) -> str:
        """Refuse: there is no image.

        Raises
        ------
        DatasetError
            Always.
        """
        raise DatasetError(f"{self.name}: features without images; to see {name!r}, give the images themselves")

    def rows(self, kept: Sequence[int]) -> FeatureDataset:
        """Return the data set with these rows only, in this order."""
        hashes = tuple(self.image_hashes[row] for row in kept) if self.image_hashes else ()
        index = np.asarray(kept, dtype=np.int64)
        return replace(super().rows(kept), features=self.features[index], image_hashes=hashes)  # type: ignore[return-value,call-arg]

    def table(self, fingerprint: Mapping[str, Any]) -> FeatureTable:
        """Return the features as a table, as made by the model with this fingerprint."""
        return FeatureTable(
            ids=self.ids,
            features=self.features,
            y=self.y,
            split=self.split,
            class_names=self.class_names,
            attributes=self.attributes,
            name=self.name,
            fingerprint=fingerprint,
            image_hashes=self.image_hashes,
            template=self.template,
        )
