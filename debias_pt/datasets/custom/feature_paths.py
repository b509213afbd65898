"""Which paths hold features rather than images."""

from __future__ import annotations

from pathlib import Path

from debias_pt.datasets import DATASETS

ARRAYS = (".npz", ".npy", ".safetensors")
FEATURES = ("features", "embeddings", "embedding", "image_features", "image_embeds", "img_emb", "x")


def holds_features(name: str) -> bool:
    """Tell whether a data set's name is the path of features: a file, or a folder that clip-retrieval wrote.

    Examples
    --------
    >>> holds_features("birds.npz"), holds_features("birds.csv"), holds_features("waterbirds")
    (True, False, False)
    """
    if name in DATASETS:
        return False
    path = Path(name)
    if path.suffix.lower() in ARRAYS:
        return True
    if path.suffix.lower() == ".parquet":
        return feature_column(path) is not None
    return (path / "img_emb").is_dir()


def feature_column(path: Path) -> str | None:
    """Return the column of a Parquet file that holds features, None if there is none or it cannot be seen."""
    try:
        from pyarrow import ArrowException, types
        from pyarrow.parquet import read_schema
    except ImportError:
        return None
    try:
        schema = read_schema(str(path))
    except (OSError, ArrowException):
        return None
    lists = [field.name for field in schema if types.is_list(field.type) or types.is_fixed_size_list(field.type)]
    usual = [name for wanted in FEATURES for name in lists if name.lower() == wanted]
    return usual[0] if usual else None
