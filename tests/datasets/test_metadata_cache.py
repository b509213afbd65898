"""Promises: what was read of a published table is read once and comes back the same, by the table's content."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from debias_pt.datasets import load_dataset
from debias_pt.datasets.metadata_cache import Metadata, remembered
from debias_pt.errors import DatasetError
from debias_pt.utils.files import read_arrays, write_arrays


def some() -> Metadata:
    columns = np.array([[0, 1, 2], [1, 0, 0], [1, 1, 1]])  # its columns do not lie in one piece
    return Metadata.of(["a b.jpg", "caf\u00e9.jpg", "\udcff.jpg"], *columns.T)


def never() -> Metadata:
    raise AssertionError("read again")


def test_arrays_are_written_as_they_read_not_as_they_lie(tmp_path: Path) -> None:
    array = np.arange(6).reshape(2, 3)
    write_arrays(tmp_path / "x", {"turned": array.T, "column": array[:, 1], "row": array[0]}, {"of": "arrays"})
    read, meta = read_arrays(tmp_path / "x", ["turned", "column"])
    assert meta == {"of": "arrays"}
    assert (read["turned"] == array.T).all()
    assert read["column"].tolist() == [1, 4]
    assert list(read) == ["turned", "column"]


def test_a_table_is_read_once_wherever_it_stands(tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    table.write_text("1")
    first = remembered(tmp_path / "cache", [table], some)
    (tmp_path / "b").mkdir()
    again = remembered(tmp_path / "cache", [table.rename(tmp_path / "b" / "a.csv")], never)
    assert again.names == first.names == some().names
    for column in ("y", "attribute", "split"):
        assert getattr(again, column).tolist() == getattr(some(), column).tolist()


def test_a_changed_table_is_read_again_and_a_damaged_memory_too(tmp_path: Path) -> None:
    table, calls = tmp_path / "a.csv", []

    def read() -> Metadata:
        calls.append(table.read_text())
        return some()

    for content in ("1", "2", "1", "2"):
        table.write_text(content)
        remembered(tmp_path / "cache", [table], read)
    assert calls == ["1", "2"]
    for file in (tmp_path / "cache" / "metadata").iterdir():
        file.write_bytes(file.read_bytes()[:-3])
    assert remembered(tmp_path / "cache", [table], read).names == some().names
    assert calls == ["1", "2", "2"]


def test_a_folder_that_cannot_be_written_to_costs_only_time(tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    table.write_text("1")
    (tmp_path / "file").touch()
    assert remembered(tmp_path / "file", [table], some).names == some().names


def test_waterbirds_is_the_same_from_memory_and_wrong_values_stay_refused(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load_dataset("waterbirds", data_root, check_counts=False, cache_dir=tmp_path / "cache")
    with monkeypatch.context() as patch:
        patch.setattr("debias_pt.datasets.named.waterbirds.read_present", None)
        again = load_dataset("waterbirds", data_root, check_counts=False, cache_dir=tmp_path / "cache")
    assert again.ids == first.ids
    assert (again.y == first.y).all()
    assert (again.split == first.split).all()
    assert (again.attributes["background"].labels == first.attributes["background"].labels).all()
    table = data_root / "waterbirds_v1.0" / "metadata.csv"
    lines = table.read_text().splitlines()
    header = lines[0].split(",")
    cells = lines[1].split(",")
    cells[header.index("y")] = "7"
    table.write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]) + "\n")
    for _ in range(2):
        with pytest.raises(DatasetError, match="row 1 has y 7; 0 or 1 expected"):
            load_dataset("waterbirds", data_root, check_counts=False, cache_dir=tmp_path / "cache")
