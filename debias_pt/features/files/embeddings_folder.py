"""The folder that clip-retrieval's inference writes: ``img_emb/*.npy`` and ``metadata/*.parquet``, numbered alike."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.errors import DatasetError


def read_folder(folder: Path) -> tuple[NDArray[np.float32], dict[str, list[Any]]]:
    """Return embeddings ``(N, D)`` and metadata of all parts, in the order of their numbers.

    Raises
    ------
    DatasetError
        If pyarrow is missing, or files are missing, damaged or do not go together.
    """
    try:
        from pyarrow.parquet import read_table
    except ImportError as error:
        raise DatasetError(f"{folder}: this needs pyarrow; pip install 'debias-pt[parquet]'") from error
    arrays, metadata = _parts(folder / "img_emb", ".npy"), _parts(folder / "metadata", ".parquet")
    if not arrays or set(arrays) != set(metadata):
        raise DatasetError(
            f"{folder}: {len(arrays)} files img_emb/*.npy and {len(metadata)} metadata/*.parquet; one of each by "
            "number expected"
        )
    parts, rows = [], dict[str, list[Any]]()
    for number in sorted(arrays):
        try:  # mapped first: a header that promises more than the file has is refused before anything is allocated
            with np.errstate(over="raise"):
                part = np.load(arrays[number], mmap_mode="r", allow_pickle=False).astype(np.float32)
            columns: Mapping[str, list[Any]] = read_table(metadata[number]).to_pydict()
        except Exception as error:  # numpy and pyarrow raise many kinds on damaged files
            reason = " ".join(str(error).split())
            raise DatasetError(f"{folder}: part {number} cannot be read ({reason}); write it again") from error
        sizes = {len(column) for column in columns.values()} | {len(part)}
        if part.ndim != 2 or len(sizes) > 1 or (rows and set(rows) != set(columns)):
            raise DatasetError(
                f"{arrays[number]}: has shape {part.shape}, its metadata {max(sizes)} rows; write it again"
            )
        parts.append(part)
        for name, column in columns.items():
            rows.setdefault(name, []).extend(column)
    return np.concatenate(parts), rows


def _parts(folder: Path, ending: str) -> dict[int, Path]:
    numbered = {file: re.findall(r"\d+", file.stem) for file in folder.glob(f"*{ending}")}
    return {int(found[-1]): file for file, found in numbered.items() if found}
