"""The columns of a feature table in files and in other libraries: safetensors, Parquet, Arrow, ``datasets.Dataset``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.datasets.attributes import TrueAttribute, in_order
from debias_pt.errors import DatasetError, DebiasError, UsageError
from debias_pt.utils.files import read_arrays, whole_file, write_arrays

META = b"debias_pt"  # key of our JSON in an Arrow schema
ROLES = ("id", "features", "label", "split", "image_hash")
Columns = Mapping[str, Any]  # the fields of a FeatureTable by name


def write_table(table: Columns, path: str | Path) -> Path:
    """Write columns as ``.safetensors``, or as ``.parquet`` with a row per image.

    Raises
    ------
    UsageError
        If the path ends in something else.
    OutputError
        If it cannot be written.
    """
    file = Path(path)
    if file.suffix == ".parquet":
        parquet = _pyarrow("parquet")
        with whole_file(file) as unfinished:
            parquet.write_table(to_arrow(table), str(unfinished))
        return file
    if file.suffix != ".safetensors":
        raise UsageError(f"{file}: a table ends in .safetensors or .parquet; rename it")
    words = {name: true.words for name, true in table["attributes"].items()}
    rows = {
        "ids": table["ids"],
        "split": table["split"].tolist(),
        "hashes": table["image_hashes"],
        "attributes": words,
    }
    text = np.frombuffer(json.dumps(rows).encode(), dtype=np.uint8)
    write_arrays(file, {"features": table["features"], "y": table["y"], "rows": text}, _facts(table))
    return file


def read_table(path: str | Path) -> dict[str, Any]:
    """Read what :func:`write_table` wrote, or another Parquet file with such columns; see :func:`from_arrow`."""
    file = Path(path)
    if file.suffix == ".parquet":
        return from_arrow(_pyarrow("parquet").read_table(str(file)))
    arrays, facts = read_arrays(file, ["features", "y", "rows"])
    rows = json.loads(arrays["rows"].tobytes())
    return _columns(facts, rows["ids"], arrays["features"], arrays["y"], rows["split"], rows["attributes"],
                    rows["hashes"])  # fmt: skip


def is_ours(path: Path) -> bool:
    """Tell whether a file says that :func:`write_table` wrote it; a damaged one may not be able to."""
    if path.suffix.lower() == ".parquet":
        with one_line(path):
            return META in (_pyarrow("parquet").read_schema(str(path)).metadata or {})
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="np") as file:
            return META.decode() in (file.metadata() or {}) and "rows" in file.keys()  # noqa: SIM118  no mapping
    except (OSError, SafetensorError):
        return False


@contextmanager
def one_line(path: str | Path) -> Iterator[None]:
    """Turn whatever a damaged or hostile file does to the readers of two formats into one line.

    Raises
    ------
    DatasetError
        Names the file and the reason.
    """
    try:
        yield
    except DebiasError:
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise DatasetError(f"{path}: cannot read this table ({reason}); save it again") from error


def to_arrow(table: Columns) -> Any:
    """Return columns as a ``pyarrow.Table``; see :meth:`~debias_pt.features.table.FeatureTable.to_arrow`."""
    arrow = _pyarrow()
    taken = set(ROLES) & set(table["attributes"])
    if taken:
        raise UsageError(f"{table['name']}: an attribute is called {min(taken)!r} like a column; rename it")
    flat = arrow.array(np.ascontiguousarray(table["features"]).reshape(-1))
    columns = {
        "id": arrow.array(table["ids"]),
        "features": arrow.FixedSizeListArray.from_arrays(flat, table["features"].shape[1]),
        "label": arrow.array([table["class_names"][k] for k in table["y"].tolist()]),
        "split": arrow.array(table["split"].tolist()),
        **({"image_hash": arrow.array(table["image_hashes"])} if table["image_hashes"] else {}),
        **{name: arrow.array(true.words) for name, true in table["attributes"].items()},
    }
    return arrow.table(columns).replace_schema_metadata({META: json.dumps(_facts(table))})


def from_arrow(
    data: Any,
    *,
    features: str = "features",
    label: str = "label",
    class_names: Sequence[str] | None = None,
    attributes: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Read a ``pyarrow.Table``; see :meth:`~debias_pt.features.table.FeatureTable.from_arrow`."""
    facts = json.loads((data.schema.metadata or {}).get(META, b"{}"))
    columns = set(data.column_names)
    wanted = list(facts.get("attributes", []) if attributes is None else attributes)
    for name in (features, label, *wanted):
        if name not in columns:
            raise DatasetError(f"the table has no column {name!r}; it has {', '.join(data.column_names)}")
        if data[name].null_count:
            raise DatasetError(f"the column {name!r} is empty in {data[name].null_count} rows; fill it in")
    matrix: NDArray[Any] = matrix_of(data[features], features)
    if not facts:
        length = np.linalg.norm(matrix, axis=1, keepdims=True)
        matrix = matrix / np.where(length > 0, length, 1).astype(np.float32)
    labels = data[label].to_pylist()
    names = tuple(class_names or facts.get("class_names") or in_order(map(str, labels)))
    ids = data["id"].to_pylist() if "id" in columns else [str(row) for row in range(len(data))]
    split = data["split"].to_pylist() if "split" in columns else ["train"] * len(data)
    hashes = data["image_hash"].to_pylist() if facts and "image_hash" in columns else []
    words = {name: [str(value) for value in data[name].to_pylist()] for name in wanted}
    return _columns({**facts, "class_names": names}, ids, matrix, _numbers(labels, names), split, words, hashes)


def to_dataset(table: Columns) -> Any:
    """Return columns as a ``datasets.Dataset``; see :meth:`~debias_pt.features.table.FeatureTable.to_dataset`."""
    try:
        from datasets import Dataset
        from datasets.table import InMemoryTable
    except ImportError as error:
        raise UsageError("this needs the package datasets; pip install 'debias-pt[datasets]'") from error
    dataset = Dataset(InMemoryTable(to_arrow(table)))
    dataset.info.description = json.dumps(_facts(table))  # a Dataset keeps no schema metadata but its own
    return dataset


def from_dataset(dataset: Any, **columns: Any) -> dict[str, Any]:
    """Read a ``datasets.Dataset``; see :meth:`~debias_pt.features.table.FeatureTable.from_dataset`."""
    data = dataset.with_format("arrow")[:] if len(dataset) else dataset.data.table
    try:
        facts = json.loads(dataset.info.description or "{}")
    except ValueError:  # somebody's description
        facts = {}
    ours = isinstance(facts, dict) and "fingerprint" in facts
    names = getattr(dataset.features.get(columns.get("label", "label")), "names", None)
    if names and not ours:
        columns.setdefault("class_names", names)
    data = data.replace_schema_metadata({META: json.dumps(facts)} if ours else None)
    return from_arrow(data, **columns)


def _facts(table: Columns) -> dict[str, Any]:
    return {
        "class_names": list(table["class_names"]),
        "attributes": {name: list(true.values) for name, true in table["attributes"].items()},
        "name": table["name"],
        "fingerprint": dict(table["fingerprint"]),
        "template": table["template"],
    }


def _columns(
    facts: Mapping[str, Any],
    ids: Sequence[Any],
    features: NDArray[Any],
    y: NDArray[np.int64],
    split: Sequence[str],
    words: Mapping[str, Sequence[str]],
    hashes: Sequence[str],
) -> dict[str, Any]:
    values = facts.get("attributes", {})
    return {
        "ids": tuple(map(str, ids)),
        "features": features,
        "y": y,
        "split": np.array(split, dtype=np.dtype("U5")),
        "class_names": tuple(facts["class_names"]),
        "attributes": {name: _attribute(column, values.get(name)) for name, column in words.items()},
        "image_hashes": tuple(hashes),
        **{name: facts[name] for name in ("name", "fingerprint", "template") if name in facts},
    }


def _attribute(words: Sequence[str], values: Sequence[str] | None) -> TrueAttribute:
    """Return an attribute, its values in the order that was kept."""
    if values is None or not set(words) <= set(values):
        return TrueAttribute.of(words)
    number = {value: place for place, value in enumerate(values)}
    return TrueAttribute(tuple(values), np.array([number[word] for word in words], dtype=np.int64))


def matrix_of(column: Any, name: str) -> NDArray[np.float32]:
    """Return a column of lists as an array ``(N, D)``."""
    lists = column.combine_chunks()
    flat = np.asarray(lists.flatten(), dtype=np.float32)
    if not len(lists) or len(flat) % len(lists):
        raise DatasetError(f"the column {name!r} has rows of unequal length; features of one model expected")
    return flat.reshape(len(lists), -1)


def _numbers(labels: Sequence[Any], names: Sequence[str]) -> NDArray[np.int64]:
    number: dict[Any, int] = {name: k for k, name in enumerate(names)}
    numbers = [label if isinstance(label, int) and str(label) not in number else number.get(str(label), -1)
               for label in labels]  # fmt: skip
    wrong = [row for row, k in enumerate(numbers) if not 0 <= k < len(names)]
    if wrong:
        raise DatasetError(f"row {wrong[0]} has the label {labels[wrong[0]]!r}; known: {', '.join(names)}")
    return np.array(numbers, dtype=np.int64)


def _pyarrow(module: str = "") -> Any:
    from importlib import import_module

    try:
        return import_module(f"pyarrow.{module}" if module else "pyarrow")
    except ImportError as error:
        raise UsageError("this needs pyarrow, which is not installed; pip install 'debias-pt[parquet]'") from error
