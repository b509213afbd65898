"""Images to a table of features, each image encoded once and cached."""

from __future__ import annotations

from typing import TYPE_CHECKING

from debias_pt.utils.lazy import lazy_names

if TYPE_CHECKING:
    from debias_pt.features.augmentation import encode_views
    from debias_pt.features.clip_retrieval import table_from_clip_retrieval
    from debias_pt.features.encoding import EncodeStats, encode, encode_paths
    from debias_pt.features.merging import merge_caches
    from debias_pt.features.samples import encode_samples
    from debias_pt.features.table import FeatureTable, join_tables, table_from_arrays

__all__ = [
    "EncodeStats",
    "FeatureTable",
    "encode",
    "encode_paths",
    "encode_samples",
    "encode_views",
    "join_tables",
    "merge_caches",
    "table_from_arrays",
    "table_from_clip_retrieval",
]
__getattr__ = lazy_names(__name__)
