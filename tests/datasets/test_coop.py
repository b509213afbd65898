"""Promises: the many-class sets are read whole from CoOp's layout, split by split, or refused with what is wrong."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from debias_pt.datasets import DATASETS, load_dataset
from debias_pt.datasets.named.coop import COOP
from debias_pt.datasets.splits import SPLITS
from debias_pt.errors import DatasetError, UnknownNameError, UsageError
from debias_pt.features.encoding import encode_with_stats
from debias_pt.models.backbone import Backbone
from debias_pt.settings import DataSettings, SourceSettings
from debias_pt.workflows.data import list_datasets
from debias_pt.workflows.fetch import fetch
from debias_pt.workflows.prepare import read_dataset
from debias_pt.workflows.verify import verify

CLASSES = ("face", "car_side", "Yorkshire Terrier")
COUNTS = {"train": 3, "val": 1, "test": 2}  # of every class


def rows() -> dict[str, list[list[Any]]]:
    return {
        split: [[f"{name}/{split}_{i}.png", label, name] for label, name in enumerate(CLASSES) for i in range(n)]
        for split, n in COUNTS.items()
    }


def write(root: Path, name: str, split: Any = None, folder: str | None = None) -> Path:
    """Write a tiny set in the layout of one of CoOp's; returns its folder."""
    of = COOP[name]
    place = root / (folder or of.folders[0])
    split = rows() if split is None else split
    for number, (path, label, _) in enumerate(row for part in rows().values() for row in part):
        file = place / of.images / path
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number, 40 * label, 7)).save(file)
    (place / of.split).write_text(split if isinstance(split, str) else json.dumps(split))
    return place


def write_aircraft(root: Path) -> Path:
    place = root / "fgvc_aircraft"
    (place / "images").mkdir(parents=True)
    variants = ("707-320", "F/A-18", "Boeing 717")
    (place / "variants.txt").write_text("\n".join(variants) + "\n")
    number = 0
    for split, n in COUNTS.items():
        lines = []
        for variant in [one for one in variants for _ in range(n)]:
            number += 1
            Image.new("RGB", (8, 8), (number, 0, 0)).save(place / "images" / f"{number:07d}.jpg")
            lines.append(f"{number:07d} {variant}")
        (place / f"images_variant_{split}.txt").write_text("\n".join(lines) + "\n")
    return place


@pytest.mark.parametrize("name", [name for name, of in COOP.items() if of.split])
def test_every_set_is_read_from_its_layout(name: str, tmp_path: Path) -> None:
    write(tmp_path, name)
    dataset = load_dataset(name, tmp_path, check_counts=False)  # looks for every image too
    assert dataset.class_names == ("face", "car side", "Yorkshire Terrier")
    assert [Counter(dataset.split.tolist())[split] for split in SPLITS] == [9, 3, 6]
    flat = [row for split in SPLITS for row in rows()[split]]
    assert dataset.y.tolist() == [label for _, label, _ in flat]
    assert [one.removeprefix(f"{COOP[name].images}/") for one in dataset.ids] == [path for path, _, _ in flat]
    assert dataset.template == COOP[name].template
    assert dataset.template.count("{}") == 1
    assert (dataset.attributes, dataset.suspects, dataset.synthetic) == ({}, {}, False)


def test_aircraft_is_read_from_its_text_files(tmp_path: Path) -> None:
    place = write_aircraft(tmp_path)
    dataset = load_dataset("fgvc_aircraft", tmp_path, check_counts=False)
    assert dataset.class_names == ("707-320", "F/A-18", "Boeing 717")
    assert dataset.ids[0] == "images/0000001.jpg"
    assert dataset.y[dataset.split == "test"].tolist() == [0, 0, 1, 1, 2, 2]
    file = place / "images_variant_val.txt"
    file.write_text(file.read_text().replace("F/A-18", "F-18"))
    with pytest.raises(DatasetError, match=r"images_variant_val\.txt: line 2 names the variant 'F-18'"):
        load_dataset("fgvc_aircraft", tmp_path, check_counts=False)
    (place / "images_variant_test.txt").unlink()
    with pytest.raises(DatasetError, match=r"has no images_variant_test\.txt"):
        load_dataset("fgvc_aircraft", tmp_path)


def test_sizes_and_classes_are_coops() -> None:
    """The table of CoOp's appendix, typed anew: classes, train, val, test."""
    published = {
        "caltech101": (100, 4128, 1649, 2465), "oxford_pets": (37, 2944, 736, 3669),
        "oxford_flowers": (102, 4093, 1633, 2463), "dtd": (47, 2820, 1128, 1692),
        "eurosat": (10, 13500, 5400, 8100), "food101": (101, 50500, 20200, 30300),
        "ucf101": (101, 7639, 1898, 3783), "stanford_cars": (196, 6509, 1635, 8041),
        "fgvc_aircraft": (100, 3334, 3333, 3333), "sun397": (397, 15880, 3970, 19850),
    }  # fmt: skip
    assert {name: (of.n_classes, *of.sizes) for name, of in COOP.items()} == published


def test_both_folder_names_of_caltech_are_taken(tmp_path: Path) -> None:
    write(tmp_path, "caltech101", folder="caltech101")
    assert load_dataset("caltech101", tmp_path, check_counts=False).root == tmp_path / "caltech101"
    write(tmp_path, "caltech101")
    assert load_dataset("caltech101", tmp_path, check_counts=False).root == tmp_path / "caltech-101"
    (tmp_path / "caltech-101" / COOP["caltech101"].split).unlink()  # unpacked only in part: the other is whole
    assert load_dataset("caltech101", tmp_path, check_counts=False).root == tmp_path / "caltech101"


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such folder; give --data-root the folder that holds caltech-101"):
        load_dataset("caltech101", tmp_path / "none")
    with pytest.raises(DatasetError, match=r"caltech-101: not there; .* holds caltech-101 or caltech101"):
        load_dataset("caltech101", tmp_path)
    place = write(tmp_path, "dtd")
    (place / "images" / "face" / "val_0.png").unlink()
    with pytest.raises(DatasetError, match="1 of 18 images are missing, first row 10, 'images/face/val_0.png'"):
        load_dataset("dtd", tmp_path, check_counts=False)
    (place / COOP["dtd"].split).unlink()
    with pytest.raises(DatasetError, match=r"has no split_zhou_DescribableTextures\.json; dtd needs it"):
        load_dataset("dtd", tmp_path)
    with pytest.raises(UnknownNameError, match="did you mean 'oxford_pets'"):
        load_dataset("oxford-pets", tmp_path)


def changed(change: Callable[[dict[str, list[list[Any]]]], object]) -> dict[str, list[list[Any]]]:
    split = rows()
    change(split)
    return split


BROKEN = {
    "no json": ("{", "not a JSON file"),
    "a list": ([], "not a JSON object with lists train, val and test"),
    "no test": (changed(lambda s: s.pop("test")), "not a JSON object with lists train, val and test"),
    "empty val": (changed(lambda s: s["val"].clear()), "no images in val"),
    "short row": (changed(lambda s: s["train"][1].pop()), r"row 2 of train is \['face/train_1.png', 0\]; \[path"),
    "label in words": (changed(lambda s: s["val"][0].__setitem__(1, "0")), "row 1 of val is"),
    "label true": (changed(lambda s: s["val"][0].__setitem__(1, True)), "row 1 of val is"),
    "negative label": (changed(lambda s: s["val"][0].__setitem__(1, -1)), "row 1 of val is"),
    "gap": (
        changed(lambda s: [row.__setitem__(1, 5) for part in s.values() for row in part if row[1] == 1]),
        "no image has label 1, yet one has 5",
    ),
    "two names": (
        changed(lambda s: s["test"][0].__setitem__(2, "mug")),
        "row 1 of test calls label 0 'mug', not 'face'",
    ),
    "absolute": (changed(lambda s: s["test"][3].__setitem__(0, "/etc/x.png")), "row 4 of test leads out of the folder"),
    "upwards": (changed(lambda s: s["test"][3].__setitem__(0, "../x.png")), "row 4 of test leads out of the folder"),
    "test in train": (
        changed(lambda s: s["test"].append(s["train"][0])),
        "row 7 of test, 'face/train_0.png', is in train too",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_split_is_refused_in_one_line(what: str, tmp_path: Path) -> None:
    split, message = BROKEN[what]
    write(tmp_path, "eurosat", split)
    with pytest.raises(DatasetError, match=message) as caught:
        load_dataset("eurosat", tmp_path, check_counts=False)
    assert "split_zhou_EuroSAT.json" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_sizes_than_published_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "caltech101")
    with pytest.raises(DatasetError, match="3 classes, published are 100; this is not the published caltech101"):
        load_dataset("caltech101", tmp_path)
    ten = {"train": [[f"{k}.png", k, f"c{k}"] for k in range(10)]}
    ten |= {"val": [["v.png", 0, "c0"]], "test": [["t.png", 0, "c0"]]}
    write(tmp_path, "eurosat", ten)
    with pytest.raises(DatasetError, match=r"train has images \(10,\), published are \(13500,\)"):
        load_dataset("eurosat", tmp_path)


# The commands.


def test_the_list_knows_them_and_says_that_nothing_is_annotated() -> None:
    listed = {row["name"]: row for row in list_datasets()}
    for name, of in COOP.items():
        row = listed[name]
        assert row["attribute"] is None
        assert (row["n_classes"], tuple(row["images"].values())) == (of.n_classes, of.sizes)
        assert "CoOp" in row["terms"]
    assert listed["waterbirds"]["n_classes"] == 2


def test_verify_counts_and_names_what_is_missing(tmp_path: Path) -> None:
    place = write(tmp_path, "dtd")
    (place / "images" / "face" / "val_0.png").unlink()
    result = verify(SourceSettings(dataset="dtd", data_root=str(tmp_path)))
    assert result["splits"]["train"] == [{"group": "all classes", "n": 9, "published": 2820}]
    problems = [f"{problem['where']}: {problem['what']}" for problem in result["problems"]]
    assert problems == [
        *("classes: 3, published are 47", "train, all classes: 9 images, published are 2820"),
        *("val, all classes: 3 images, published are 1128", "test, all classes: 6 images, published are 1692"),
        "images/face/val_0.png: no such file",
    ]
    relaxed = verify(SourceSettings(dataset="dtd", data_root=str(tmp_path), check_counts=False))
    assert len(relaxed["problems"]) == 1


def test_they_cannot_be_fetched_and_have_no_suspect(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="caltech101"):
        fetch("caltech101", tmp_path)
    write(tmp_path, "caltech101")
    settings = DataSettings(dataset="caltech101", data_root=str(tmp_path), check_counts=False)
    with pytest.raises(UsageError, match="attribute"):
        read_dataset(settings)


def test_the_prompt_goes_with_the_features(backbone: Backbone, tmp_path: Path) -> None:
    write(tmp_path, "dtd")
    table, _ = encode_with_stats(
        backbone, load_dataset("dtd", tmp_path, check_counts=False), cache_dir=tmp_path / "cache", workers=0
    )
    assert (len(table), table.template) == (18, "{} texture.")
    assert table.where("test").template == "{} texture."


@pytest.mark.realdata
def test_the_real_caltech101(assets: Path) -> None:
    dataset = load_dataset("caltech101", assets)  # counts and every image are checked
    assert len(dataset) == 8242
    assert len(dataset.class_names) == 100
    assert np.bincount(dataset.y[dataset.split == "train"]).min() >= 16  # enough for 16 shots of every class
    assert {"car side", "yin yang", "face"} <= set(dataset.class_names)
    assert sum(DATASETS["caltech101"].card.counts[split][0] for split in SPLITS) == 8242
