"""What is on disk: images, labels, splits, attributes, and the readers of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from debias_pt.utils.lazy import lazy_names
from debias_pt.utils.registry import Registry

if TYPE_CHECKING:
    from debias_pt.datasets.attributes import Attribute, PseudoAttribute, TrueAttribute
    from debias_pt.datasets.base import ImageDataset, Source, is_synthetic
    from debias_pt.datasets.custom.listing import CustomData
    from debias_pt.datasets.custom.listing import CustomData as OwnData  # noqa: F401  # as it was called in 0.1
    from debias_pt.datasets.load import load_dataset
    from debias_pt.datasets.splits import Shares

DATASETS: Registry[Source] = Registry("data set", f"{__name__}.named", group=__name__, shared=(), file_is_name=False)
__all__ = [
    "DATASETS",
    "Attribute",
    "CustomData",
    "ImageDataset",
    "PseudoAttribute",
    "Shares",
    "Source",
    "TrueAttribute",
    "is_synthetic",
    "load_dataset",
]
__getattr__ = lazy_names(__name__)
