"""Promises: a table comes back from every format as it was; tables of other libraries come in; what does not fit is
named in one line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from debias_pt.errors import DatasetError, FingerprintError, UsageError
from debias_pt.features.table import FeatureTable


def require_same(found: FeatureTable, table: FeatureTable) -> None:
    assert found.ids == table.ids
    assert np.array_equal(found.features, table.features)
    assert found.split.tolist() == table.split.tolist()
    assert found.data_fingerprint() == table.data_fingerprint()
    assert found.image_hashes == table.image_hashes
    assert (found.name, found.template, dict(found.fingerprint)) == (table.name, table.template, table.fingerprint)
    assert {name: (true.values, true.words) for name, true in found.attributes.items()} == {
        name: (true.values, true.words) for name, true in table.attributes.items()
    }


@pytest.mark.parametrize("ending", ["safetensors", "parquet"])
def test_a_saved_table_is_the_same(ending: str, table: FeatureTable, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    file = table.save(tmp_path / f"birds.{ending}")
    require_same(FeatureTable.load(file), table)
    only = table.where("val")
    require_same(FeatureTable.load(only.save(file)), only)  # replaced, and without a class or value being lost


def test_what_is_no_table_is_said_in_a_line(table: FeatureTable, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    with pytest.raises(UsageError, match=r"ends in \.safetensors or \.parquet"):
        table.save(tmp_path / "birds.pkl")
    with pytest.raises(FingerprintError, match="damaged or unreadable"):
        FeatureTable.load(tmp_path / "none.safetensors")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    with pytest.raises(DatasetError, match="cannot read this table"):
        FeatureTable.load(tmp_path / "broken.parquet")
    renamed = replace(table, attributes={"label": table.attributes["background"]})
    with pytest.raises(UsageError, match="an attribute is called 'label'"):
        renamed.to_arrow()


def test_arrow_and_datasets_there_and_back(table: FeatureTable) -> None:
    pytest.importorskip("datasets")
    require_same(FeatureTable.from_arrow(table.to_arrow()), table)
    dataset = table.to_dataset()
    assert dataset.column_names == ["id", "features", "label", "split", "image_hash", "background"]
    assert dataset[0]["label"] == table.class_names[table.y[0]]
    require_same(FeatureTable.from_dataset(dataset), table)
    rows = [5, 2, 40]
    require_same(FeatureTable.from_dataset(dataset.select(rows)), table.rows(np.array(rows)))


def test_a_data_set_of_somebody_elses_features(table: FeatureTable) -> None:
    datasets = pytest.importorskip("datasets")
    kinds = datasets.Features(
        {
            "emb": datasets.Sequence(datasets.Value("float32")),
            "kind": datasets.ClassLabel(names=["a", "b"]),
            "place": datasets.Value("string"),
        }
    )
    columns = {"emb": (3 * table.features).tolist(), "kind": table.y.tolist(), "place": ["x", "y"] * (len(table) // 2)}
    dataset = datasets.Dataset.from_dict(columns, features=kinds)
    made = FeatureTable.from_dataset(dataset, features="emb", label="kind", attributes=["place"])
    np.testing.assert_allclose(made.features, table.features, atol=1e-6)
    assert made.class_names == ("a", "b")
    assert made.y.tolist() == table.y.tolist()
    assert made.attributes["place"].words == columns["place"]
    with pytest.raises(DatasetError, match="no column 'features'; it has emb, kind, place"):
        FeatureTable.from_dataset(dataset)
