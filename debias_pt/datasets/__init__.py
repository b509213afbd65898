"""Data sets, one file each; importing this package registers them."""

from debias_pt.datasets import waterbirds as _waterbirds  # noqa: F401
from debias_pt.datasets.base import DATASETS, ImageDataset, load_dataset

__all__ = ["DATASETS", "ImageDataset", "load_dataset"]
