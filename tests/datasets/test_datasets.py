"""Promises: Waterbirds is read whole or refused with what is wrong."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from debias_pt.datasets import load_dataset
from debias_pt.errors import DatasetError, UnknownNameError
from tests.helpers.tiny_data import FOLDER, SIZES


def test_rows_classes_splits_and_places(waterbirds_root: Path) -> None:
    dataset = load_dataset("waterbirds", waterbirds_root, check_counts=False)
    assert len(dataset) == sum(map(sum, SIZES.values()))
    assert dataset.class_names == ("landbird", "waterbird")
    assert dataset.attributes["background"].values == ("land", "water")  # WILDS pads these names
    group = dataset.y * 2 + dataset.attributes["background"].labels
    for split, sizes in SIZES.items():
        assert tuple(np.bincount(group[dataset.split == split])) == sizes
    assert all((dataset.root / name).is_file() for name in dataset.ids)


@pytest.mark.filterwarnings("ignore")  # of WILDS, imported anew
def test_reading_asks_no_package_index(waterbirds_root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    checker = ModuleType("outdated")
    checker.check_outdated = lambda *of: (False, "")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "outdated", checker)
    for name in [name for name in sys.modules if name.split(".")[0] == "wilds"]:
        monkeypatch.delitem(sys.modules, name)
    load_dataset("waterbirds", waterbirds_root, check_counts=False, cache_dir=tmp_path)
    assert sys.modules["wilds.version"].check_outdated is None
    assert sys.modules["outdated"] is checker


def test_unknown_data_set_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="unknown data set 'waterbird' \\(did you mean 'waterbirds'"):
        load_dataset("waterbird")


def test_no_data_at_the_root(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no such folder; give --data-root the folder that holds waterbirds_v1\.0"):
        load_dataset("waterbirds", tmp_path / "none")
    with pytest.raises(DatasetError, match=r"waterbirds_v1\.0: not there; .*--download"):
        load_dataset("waterbirds", tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("download", [False, True])
def test_a_folder_left_by_a_failed_download_is_named(tmp_path: Path, download: bool) -> None:
    (tmp_path / FOLDER).mkdir()
    with pytest.raises(DatasetError, match=r"has no metadata\.csv, perhaps from a failed download; remove this folder"):
        load_dataset("waterbirds", tmp_path, download=download)


def test_other_counts_than_published_are_refused(data_root: Path) -> None:
    with pytest.raises(DatasetError, match=r"train has groups \(24, 6, 5, 13\), published are \(3498, 184, 56, 1057\)"):
        load_dataset("waterbirds", data_root)


def test_a_missing_image_is_named_with_its_row(data_root: Path) -> None:
    dataset = load_dataset("waterbirds", data_root, check_counts=False)
    for row in (4, 9):
        (dataset.root / dataset.ids[row]).unlink()
    with pytest.raises(DatasetError, match=f"2 of 90 images are missing, first row 5, '{dataset.ids[4]}'"):
        load_dataset("waterbirds", data_root, check_counts=False)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("img_filename", "file", "not Waterbirds' metadata .*img_filename"),
        (",0,0,0,", ",0,7,0,", "not Waterbirds' metadata"),
        (",0,0,0,", ",0,0,5,", "row 1 has place 5; 0 or 1 expected"),
        (",0,0,0,", ",3,0,0,", "row 1 has y 3; 0 or 1 expected"),
        (",0,0,0,", ",bird,0,0,", "not Waterbirds' metadata"),
    ],
)
def test_broken_metadata_is_refused(data_root: Path, old: str, new: str, message: str) -> None:
    file = data_root / FOLDER / "metadata.csv"
    file.write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(DatasetError, match=message):
        load_dataset("waterbirds", data_root, check_counts=False)


def test_an_empty_metadata_file_is_refused(data_root: Path) -> None:
    (data_root / FOLDER / "metadata.csv").write_text("")
    with pytest.raises(DatasetError, match="not Waterbirds' metadata"):
        load_dataset("waterbirds", data_root, check_counts=False)
