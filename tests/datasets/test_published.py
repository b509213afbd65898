"""Promises: CelebA and MetaShift are read whole from their published layouts, row for row, or refused with what is
wrong; the split of MetaShift never depends on the file system."""

from __future__ import annotations

import csv
import dataclasses
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from debias_pt.datasets import DATASETS, load_dataset
from debias_pt.datasets.load import group_counts
from debias_pt.datasets.named import celeba as celeba_module
from debias_pt.datasets.splits import SPLITS
from debias_pt.datasets.synthetic import layouts
from debias_pt.datasets.synthetic.worlds import WORLDS
from debias_pt.errors import DatasetError, DebiasWarning

SIZES = {"train": (8, 7, 4, 3), "val": (3, 2, 2, 2), "test": (3, 3, 2, 2)}
REAL = ("celeba", "metashift", "waterbirds")


@pytest.fixture
def small_worlds(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in REAL:
        monkeypatch.setitem(WORLDS, f"{name}-mini", dataclasses.replace(WORLDS[f"{name}-mini"], sizes=SIZES))


@pytest.fixture
def celeba(tmp_path: Path, small_worlds: None) -> Path:
    return layouts.celeba(tmp_path)


@pytest.fixture
def metashift(tmp_path: Path, small_worlds: None) -> Path:
    return layouts.metashift(tmp_path)


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def replace_in(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_cards_are_the_published_sizes() -> None:
    sizes = {name: [sum(DATASETS[name].card.counts[split]) for split in SPLITS] for name in REAL}
    assert sizes == {"celeba": [162770, 19867, 19962], "metashift": [2276, 349, 874], "waterbirds": [4795, 1199, 5794]}


def test_celeba_row_for_row(celeba: Path) -> None:
    dataset = load_dataset("celeba", celeba.parent, check_counts=False)
    attributes, partition = (rows_of(celeba / name) for name in ("list_attr_celeba.csv", "list_eval_partition.csv"))
    assert len(dataset) == len(attributes) == sum(map(sum, SIZES.values()))
    for i, (row, part) in enumerate(zip(attributes, partition, strict=True)):
        assert dataset.ids[i] == f"img_align_celeba/{row['image_id']}"
        assert dataset.y[i] == (row["Blond_Hair"] == "1")
        assert dataset.attributes["gender"].words[i] == ("male" if row["Male"] == "1" else "female")
        assert dataset.split[i] == SPLITS[int(part["partition"])]
    assert dataset.class_names == ("dark hair", "blond hair")
    assert [group_counts(dataset, DATASETS["celeba"].card, split) for split in SPLITS] == list(SIZES.values())


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("list_attr_celeba.csv", "Blond_Hair", "Blonde", "list_attr_celeba.csv: not CelebA's metadata .*Blond_Hair"),
        ("list_attr_celeba.csv", "000001.jpg,-1", "000001.jpg,what", "not CelebA's metadata"),
        ("list_eval_partition.csv", "image_id", "id", "list_eval_partition.csv: not CelebA's metadata"),
        (
            "list_eval_partition.csv",
            "000002.jpg",
            "000009.jpg",
            "row 2 is about 000009.jpg, list_attr_celeba.csv has 000002",
        ),
        ("list_eval_partition.csv", "000001.jpg,0", "000001.jpg,7", "not CelebA's metadata"),
    ],
)
def test_broken_celeba_is_refused(celeba: Path, file: str, old: str, new: str, message: str) -> None:
    replace_in(celeba / file, old, new)
    with pytest.raises(DatasetError, match=message) as caught:
        load_dataset("celeba", celeba.parent, check_counts=False)
    assert "\n" not in str(caught.value)


def test_a_shorter_partition_and_other_counts_are_refused(celeba: Path) -> None:
    with pytest.raises(
        DatasetError, match=r"published are \(71629, 66874, 22880, 1387\); this is not the published celeba"
    ):
        load_dataset("celeba", celeba.parent)
    path = celeba / "list_eval_partition.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(DatasetError, match="row 41 is about nothing, list_attr_celeba.csv has 000041.jpg there"):
        load_dataset("celeba", celeba.parent, check_counts=False)


@pytest.mark.parametrize(("name", "folder"), [("celeba", "celebA_v1.0"), ("metashift", "metashift")])
def test_what_is_not_there_is_named(name: str, folder: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=f"no such folder; give --data-root the folder that holds {folder}"):
        load_dataset(name, tmp_path / "none")
    with pytest.raises(DatasetError, match=f"{folder}: not there"):
        load_dataset(name, tmp_path)
    (tmp_path / folder).mkdir()
    with pytest.raises(
        DatasetError, match="has no list_attr_celeba.csv, perhaps" if name == "celeba" else "lists no image"
    ):
        load_dataset(name, tmp_path)


def test_metashift_from_its_metadata(metashift: Path) -> None:
    dataset = load_dataset("metashift", metashift.parent, check_counts=False)
    for i, row in enumerate(rows_of(metashift / "metadata_metashift.csv")):
        assert dataset.ids[i] == row["filename"]
        assert (dataset.y[i], dataset.attributes["place"].labels[i]) == (int(row["y"]), int(row["a"]))
        assert dataset.split[i] == SPLITS[int(row["split"])]
        assert f"{dataset.class_names[dataset.y[i]]}({dataset.attributes['place'].words[i]})" in dataset.ids[i]


def drawn(root: Path) -> dict[str, str]:
    with pytest.warns(DebiasWarning, match="the split is drawn by the images' names and is not SubpopBench's"):
        dataset = load_dataset("metashift", root, check_counts=False)
    return dict(zip(dataset.ids, dataset.split.tolist(), strict=True))


def test_a_bare_tree_has_a_split_that_the_file_system_has_no_part_in(
    metashift: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (metashift / "metadata_metashift.csv").unlink()
    first = drawn(tmp_path)
    walk = os.walk

    def backwards(folder: Path, **options: Any) -> list[tuple[str, list[str], list[str]]]:
        return [(place, folders[::-1], files[::-1]) for place, folders, files in walk(folder, **options)]

    monkeypatch.setattr(os, "walk", backwards)
    assert drawn(tmp_path) == first
    monkeypatch.undo()
    tree = metashift / "MetaShift-Cat-Dog-indoor-outdoor"
    for part in tree.iterdir():
        shutil.move(part, metashift / part.name)
    tree.rmdir()
    assert drawn(tmp_path) == first


def test_a_drawn_split_has_the_published_group_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from debias_pt.datasets.named import metashift as module

    monkeypatch.setattr(module, "require_folder", lambda *_: tmp_path)
    listed = []
    for group, n in enumerate(np.sum(list(module.COUNTS.values()), axis=0)):
        kind, place = module.CLASSES[group // 2], module.PLACES[group % 2]
        listed += [f"train/{kind}/{kind}({place})/{i}.jpg" for i in range(n)]
    for name in listed:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    with pytest.warns(DebiasWarning, match="not SubpopBench's"):
        dataset = load_dataset("metashift", tmp_path)  # counts are checked
    assert len(dataset) == 3499
    assert dataset.split_rule["drawn"] == ["val", "test"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("filename,y", "file,y", "has no column 'filename'.*it has file, y, a, split"),
        (",0,0,0\n", ",2,0,0\n", "row 1 has y '2'; 0 or 1 expected"),
        (",0,0,0\n", ",0,9,0\n", "row 1 has a '9'; 0 or 1 expected"),
        (",0,0,0\n", ",0,0,5\n", "row 1 has split '5'; train, val or test expected"),
    ],
)
def test_broken_metashift_is_refused(metashift: Path, old: str, new: str, message: str) -> None:
    path = metashift / "metadata_metashift.csv"
    header, *lines = path.read_text().splitlines()
    lines.sort(key=lambda line: not line.endswith(",0,0,0"))
    path.write_text("\n".join([header, *lines]) + "\n")
    replace_in(path, old, new)
    with pytest.raises(DatasetError, match=message):
        load_dataset("metashift", metashift.parent, check_counts=False)


def test_a_tree_of_other_animals_is_refused(metashift: Path) -> None:
    (metashift / "metadata_metashift.csv").unlink()
    tree = metashift / "MetaShift-Cat-Dog-indoor-outdoor" / "train"
    (tree / "cat").rename(tree / "cow")
    for folder in (tree / "cow").iterdir():
        folder.rename(folder.with_name(folder.name.replace("cat", "cow")))
    with (
        pytest.warns(DebiasWarning, match="not SubpopBench's"),
        pytest.raises(DatasetError, match="the class is 'cow'; folders like"),
    ):
        load_dataset("metashift", metashift.parent, check_counts=False)


@pytest.fixture(scope="module")
def real_celeba(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("celeba")
    folder = root / celeba_module.FOLDER
    folder.mkdir()
    with zipfile.ZipFile(assets / folder.name / "list_attr_celeba.csv.zip") as archive:
        archive.extract("list_attr_celeba.csv", folder)
    shutil.copy(assets / folder.name / "list_eval_partition.csv", folder)
    return root


@pytest.mark.realdata
def test_all_rows_of_the_real_celeba(real_celeba: Path) -> None:
    dataset = load_dataset("celeba", real_celeba, check_images=False)  # counts are checked
    assert len(dataset) == 202_599
    with pytest.raises(
        DatasetError, match=r"202599 of 202599 images are missing, first row 1, 'img_align_celeba/000001"
    ):
        load_dataset("celeba", real_celeba)


@pytest.mark.realdata
def test_all_rows_of_the_real_metashift(assets: Path) -> None:
    dataset = load_dataset("metashift", assets, check_images=False)
    assert len(dataset) == 3499
    with pytest.raises(DatasetError, match="3499 of 3499 images are missing"):
        load_dataset("metashift", assets)
