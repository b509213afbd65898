"""Data sets, one file each; importing this package registers them."""

from debias_pt.datasets import mini as _mini  # noqa: F401
from debias_pt.datasets import waterbirds as _waterbirds  # noqa: F401
from debias_pt.datasets.base import DATASETS, ImageDataset, is_synthetic, load_dataset

__all__ = ["DATASETS", "ImageDataset", "is_synthetic", "load_dataset"]
