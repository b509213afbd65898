"""Data sets, one file each; importing this package registers them."""

from debias_pt.datasets import celeba as _celeba  # noqa: F401
from debias_pt.datasets import coop as _coop  # noqa: F401
from debias_pt.datasets import metashift as _metashift  # noqa: F401
from debias_pt.datasets import waterbirds as _waterbirds  # noqa: F401
from debias_pt.datasets.base import DATASETS, ImageDataset, is_synthetic
from debias_pt.datasets.custom.listing import OwnData
from debias_pt.datasets.load import load_dataset
from debias_pt.datasets.synthetic import dataset as _mini  # noqa: F401

__all__ = ["DATASETS", "ImageDataset", "OwnData", "is_synthetic", "load_dataset"]
