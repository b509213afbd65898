"""Promises: few-shot files of CoOp's code are read, and nothing in them is run."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from debias_pt.datasets.coop_shots import read_shots
from debias_pt.errors import DatasetError
from tests.helpers.coop_files import write_shots


class Malicious:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def test_paths_and_labels_come_out_and_the_peers_code_is_not_needed(tmp_path: Path) -> None:
    write_shots(
        tmp_path / "shot_2-seed_1.pkl", [("/home/x/a/1.jpg", 0), ("/home/x/b/2.jpg", 1)], [("/home/x/a/3.jpg", 0)]
    )
    assert "dassl" not in sys.modules
    assert read_shots(tmp_path / "shot_2-seed_1.pkl") == {
        "train": [("/home/x/a/1.jpg", 0), ("/home/x/b/2.jpg", 1)],
        "val": [("/home/x/a/3.jpg", 0)],
    }


def test_what_a_file_wants_run_is_not_run(tmp_path: Path) -> None:
    file, mark = tmp_path / "shot_1-seed_1.pkl", tmp_path / "ran"
    for content in (Malicious(mark), {"train": [Malicious(mark)], "val": []}):
        file.write_bytes(pickle.dumps(content))
        with pytest.raises(DatasetError, match="it asks for pathlib"):
            read_shots(file)
    assert not mark.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nonsense",
        pickle.dumps([1, 2]),
        pickle.dumps({"train": []}),
        pickle.dumps({"train": ["a.jpg"], "val": []}),
    ],
)
def test_anything_else_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "shot_1-seed_1.pkl"
    file.write_bytes(content)
    with pytest.raises(DatasetError, match="shot_1-seed_1.pkl: not a few-shot file of CoOp's code"):
        read_shots(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        DatasetError, match="shot_16-seed_1.pkl: no such file; put CoOp's own there, or draw by its rule"
    ):
        read_shots(tmp_path / "shot_16-seed_1.pkl")


def test_a_label_that_is_no_number_is_refused(tmp_path: Path) -> None:
    write_shots(tmp_path / "shot_1-seed_1.pkl", [("a.jpg", "0")], [])  # type: ignore[list-item]
    with pytest.raises(DatasetError, match="a record is not a path and a label"):
        read_shots(tmp_path / "shot_1-seed_1.pkl")


def test_the_record_of_another_module_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("elsewhere")
    module.Datum = type("Datum", (), {"__module__": "elsewhere"})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "elsewhere", module)
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"train": [module.Datum()], "val": []}))
    with pytest.raises(DatasetError, match=r"it asks for elsewhere\.Datum"):
        read_shots(tmp_path / "x.pkl")
