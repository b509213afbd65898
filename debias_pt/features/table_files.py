"""Feature tables in files and in other libraries' tables: safetensors, Arrow, Parquet, ``datasets.Dataset``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from debias_pt.datasets.attributes import TrueAttribute, in_order
from debias_pt.errors import DatasetError, DebiasError, UsageError
from debias_pt.utils.files import read_arrays, whole_file, write_arrays

if TYPE_CHECKING:
    from debias_pt.features.table import FeatureTable

T = TypeVar("T", bound="TableFiles")
META = b"debias_pt"  # key of our JSON in an Arrow schema
ROLES = ("id", "features", "label", "split", "image_hash")


class TableFiles:
    """Base of the feature table: everything that takes it out of memory, or brings it back."""

    def save(self: Any, path: str | Path) -> Path:
        """Write the table: ``.safetensors``, or ``.parquet`` with a row per image.

        Raises
        ------
        UsageError
            If the path ends in something else.
        OutputError
            If it cannot be written.

        Examples
        --------
        >>> table.save("birds.safetensors")                                   # doctest: +SKIP
        >>> FeatureTable.load("birds.safetensors").data_fingerprint() == table.data_fingerprint()  # doctest: +SKIP
        True
        """
        file = Path(path)
        if file.suffix == ".parquet":
            parquet = _pyarrow("parquet")
            with whole_file(file) as unfinished:
                parquet.write_table(self.to_arrow(), str(unfinished))
            return file
        if file.suffix != ".safetensors":
            raise UsageError(f"{file}: a table ends in .safetensors or .parquet; rename it")
        words = {name: true.words for name, true in self.attributes.items()}
        rows = {"ids": self.ids, "split": self.split.tolist(), "hashes": self.image_hashes, "attributes": words}
        text = np.frombuffer(json.dumps(rows).encode(), dtype=np.uint8)
        write_arrays(file, {"features": self.features, "y": self.y, "rows": text}, _facts(self))
        return file

    @classmethod
    def load(cls: type[T], path: str | Path) -> T:
        """Read a table that :meth:`save` wrote, or another Parquet file with such columns; see :meth:`from_arrow`.

        Raises
        ------
        UsageError
            If it cannot be read, or is no such table.
        """
        file = Path(path)
        try:
            return cls._load(file)
        except DebiasError:
            raise
        except Exception as error:  # what a damaged or hostile file does to the readers of two formats
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise DatasetError(f"{file}: cannot read this table ({reason}); save it again") from error

    @classmethod
    def _load(cls: type[T], file: Path) -> T:
        if file.suffix == ".parquet":
            return cls.from_arrow(_pyarrow("parquet").read_table(str(file)))
        arrays, facts = read_arrays(file, ["features", "y", "rows"])
        rows = json.loads(arrays["rows"].tobytes())
        return _table(cls, facts, rows["ids"], arrays["features"], arrays["y"], rows["split"], rows["attributes"],
                      rows["hashes"])  # fmt: skip

    def to_arrow(self: Any) -> Any:
        """Return the table as a ``pyarrow.Table``.

        Columns: ``id``, ``features`` (a list of D floats), ``label`` (the class's name), ``split``, ``image_hash``
        where known, and one for every annotated attribute. Class names and the model's fingerprint are in the schema.

        Raises
        ------
        UsageError
            If pyarrow is missing, or an attribute is called like one of these columns.
        """
        arrow = _pyarrow()
        taken = set(ROLES) & set(self.attributes)
        if taken:
            raise UsageError(f"{self.name}: an attribute is called {min(taken)!r} like a column; rename it")
        flat = arrow.array(np.ascontiguousarray(self.features).reshape(-1))
        columns = {
            "id": arrow.array(self.ids),
            "features": arrow.FixedSizeListArray.from_arrays(flat, self.features.shape[1]),
            "label": arrow.array([self.class_names[k] for k in self.y.tolist()]),
            "split": arrow.array(self.split.tolist()),
            **({"image_hash": arrow.array(self.image_hashes)} if self.image_hashes else {}),
            **{name: arrow.array(true.words) for name, true in self.attributes.items()},
        }
        return arrow.table(columns).replace_schema_metadata({META: json.dumps(_facts(self))})

    @classmethod
    def from_arrow(
        cls: type[T],
        data: Any,
        *,
        features: str = "features",
        label: str = "label",
        class_names: Sequence[str] | None = None,
        attributes: Sequence[str] | None = None,
    ) -> T:
        """Make a table of a ``pyarrow.Table``: one of :meth:`to_arrow`, or any with features and labels.

        Parameters
        ----------
        data : pyarrow.Table
        features, label : str
            Names of the columns. Features of other tables are scaled to length 1.
        class_names : sequence of str, optional
            K names, for labels that are numbers; else in the order of the alphabet, or as :meth:`to_arrow` kept them.
        attributes : sequence of str, optional
            Columns with annotated attributes; default those that :meth:`to_arrow` wrote, else none.

        Raises
        ------
        DatasetError
            If a column is missing or empty in a row, or a label is unknown.
        """
        facts = json.loads((data.schema.metadata or {}).get(META, b"{}"))
        columns = set(data.column_names)
        wanted = list(facts.get("attributes", []) if attributes is None else attributes)
        for name in (features, label, *wanted):
            if name not in columns:
                raise DatasetError(f"the table has no column {name!r}; it has {', '.join(data.column_names)}")
            if data[name].null_count:
                raise DatasetError(f"the column {name!r} is empty in {data[name].null_count} rows; fill it in")
        matrix: NDArray[Any] = _matrix(data[features], features)
        if not facts:
            length = np.linalg.norm(matrix, axis=1, keepdims=True)
            matrix = matrix / np.where(length > 0, length, 1).astype(np.float32)
        labels = data[label].to_pylist()
        names = tuple(class_names or facts.get("class_names") or in_order(map(str, labels)))
        ids = data["id"].to_pylist() if "id" in columns else [str(row) for row in range(len(data))]
        split = data["split"].to_pylist() if "split" in columns else ["train"] * len(data)
        hashes = data["image_hash"].to_pylist() if facts and "image_hash" in columns else []
        words = {name: [str(value) for value in data[name].to_pylist()] for name in wanted}
        return _table(cls, {**facts, "class_names": names}, ids, matrix, _numbers(labels, names), split, words, hashes)

    def to_dataset(self: Any) -> Any:
        """Return the table as a ``datasets.Dataset`` with the columns of :meth:`to_arrow`.

        Raises
        ------
        UsageError
            If the package ``datasets`` is missing.
        """
        try:
            from datasets import Dataset
            from datasets.table import InMemoryTable
        except ImportError as error:
            raise UsageError("this needs the package datasets; pip install 'debias-pt[datasets]'") from error
        dataset = Dataset(InMemoryTable(self.to_arrow()))
        dataset.info.description = json.dumps(_facts(self))  # a Dataset keeps no schema metadata but its own
        return dataset

    @classmethod
    def from_dataset(cls: type[T], dataset: Any, **columns: Any) -> T:
        """Make a table of a ``datasets.Dataset`` with features; see :meth:`from_arrow`.

        Examples
        --------
        >>> FeatureTable.from_dataset(table.to_dataset().filter(lambda row: row["split"] == "train"))  # doctest: +SKIP
        """
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
        return cls.from_arrow(data, **columns)


def _facts(table: FeatureTable) -> dict[str, Any]:
    return {
        "class_names": list(table.class_names),
        "attributes": {name: list(true.values) for name, true in table.attributes.items()},
        "name": table.name,
        "fingerprint": dict(table.fingerprint),
        "template": table.template,
    }


def _table(
    cls: type[T],
    facts: Mapping[str, Any],
    ids: Sequence[Any],
    features: NDArray[Any],
    y: NDArray[np.int64],
    split: Sequence[str],
    words: Mapping[str, Sequence[str]],
    hashes: Sequence[str],
) -> T:
    values = facts.get("attributes", {})
    attributes = {name: _attribute(column, values.get(name)) for name, column in words.items()}
    more = {name: facts[name] for name in ("name", "fingerprint", "template") if name in facts}
    make: Any = cls
    made: T = make(
        tuple(map(str, ids)),
        features,
        y,
        np.array(split, dtype=np.dtype("U5")),
        tuple(facts["class_names"]),
        attributes,
        image_hashes=tuple(hashes),
        **more,
    )
    return made


def _attribute(words: Sequence[str], values: Sequence[str] | None) -> TrueAttribute:
    """Return an attribute, its values in the order that was kept."""
    if values is None or not set(words) <= set(values):
        return TrueAttribute.of(words)
    number = {value: place for place, value in enumerate(values)}
    return TrueAttribute(tuple(values), np.array([number[word] for word in words], dtype=np.int64))


def _matrix(column: Any, name: str) -> NDArray[np.float32]:
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
