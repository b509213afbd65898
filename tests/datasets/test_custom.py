"""Promises: a folder tree, a table or a folder with metadata is read whole or refused with what is wrong; splits that
are not given are drawn the same on every machine; nothing is left out silently."""

from __future__ import annotations

import csv
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from debias_pt.cli.main import main
from debias_pt.datasets import CustomData, ImageDataset, load_dataset
from debias_pt.datasets.custom.read import read_custom
from debias_pt.datasets.custom.table import read_table
from debias_pt.datasets.splits import Shares, complete, shuffled
from debias_pt.errors import DatasetError, DebiasWarning, UnknownNameError, UsageError
from debias_pt.settings import DataSettings, TrainSettings
from debias_pt.workflows.prepare import prepare, read_dataset

ROWS = [
    (f"img/{i}.png", ("cat", "dog")[i % 2], ("in", "out")[i // 2 % 2], ("train", "val", "test")[i % 3])
    for i in range(24)
]
COLUMNS = ("path", "label", "place", "split")


def paint(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), (len(path.name), 7, 7)).save(path)
    return path


def tree(root: Path, folders: Sequence[str], n: int = 8) -> Path:
    for folder in folders:
        for i in range(n):
            paint(root / folder / f"{i}.png")
    return root


def write_table(path: Path, columns: Sequence[str] = COLUMNS, rows: Sequence[Sequence[Any]] = ROWS) -> Path:
    """Write the same rows in any of the formats, and the images they name."""
    for row in rows:
        if row[0]:
            paint(path.parent / str(row[0]))
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    if path.suffix == ".parquet":
        import pyarrow
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist(records), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
    else:
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writerow(columns)
            writer.writerows(rows)
    return path


def by_id(dataset: ImageDataset) -> dict[str, tuple[str, str]]:
    names = [dataset.class_names[k] for k in dataset.y]
    return dict(zip(dataset.ids, zip(names, dataset.split.tolist(), strict=True), strict=True))


# Folder trees


def test_a_tree_of_classes(tmp_path: Path) -> None:
    dataset = load_dataset(tree(tmp_path / "pets", ["snow_dog", "cat/young", "cat/old"]))
    assert dataset.name == "pets"
    assert dataset.class_names == ("cat", "snow dog")
    assert len(dataset) == 24
    assert all((dataset.root / name).is_file() for name in dataset.ids)
    assert dataset.ids == tuple(sorted(dataset.ids))
    for k, n in enumerate((16, 8)):
        parts = dataset.split[dataset.y == k].tolist()
        assert {part: parts.count(part) for part in ("val", "test")} == {
            part: max(1, round(0.15 * n)) for part in ("val", "test")
        }
    assert dataset.split_rule == {"given": [], "drawn": ["val", "test"], "val": 0.15, "test": 0.15, "seed": 0}


def test_a_tree_with_splits(tmp_path: Path) -> None:
    dataset = load_dataset(tree(tmp_path, ["training/a", "training/b", "Valid/a", "Valid/b", "test/a", "test/b"], 2))
    assert dataset.class_names == ("a", "b")
    assert dataset.split.tolist().count("val") == 4
    assert by_id(dataset)["Valid/b/0.png"] == ("b", "val")
    assert dataset.split_rule == {"given": ["train", "val", "test"], "drawn": []}


def test_a_validation_split_is_drawn_from_training_images_only(tmp_path: Path) -> None:
    dataset = load_dataset(tree(tmp_path, ["train/a", "train/b", "test/a", "test/b"], 10))
    for name, split in zip(dataset.ids, dataset.split, strict=True):
        assert (split == "test") == name.startswith("test/")
    assert dataset.split.tolist().count("val") == 4
    assert dataset.split_rule["drawn"] == ["val"]


def test_a_tree_with_attributes(tmp_path: Path) -> None:
    folders = [
        f"{split}/{kind}/{kind}({place})" for split in ("train", "test") for kind in "ab" for place in ("in", "out")
    ]
    dataset = load_dataset(tree(tmp_path, folders))
    true = dataset.attributes["attribute"]
    assert true.values == ("in", "out")
    assert [f"({word})" in name for word, name in zip(true.words, dataset.ids, strict=True)] == [True] * len(dataset)
    assert dataset.suspects["attribute"].values == {"in": ("in",), "out": ("out",)}
    paint(tmp_path / "train" / "a" / "plain" / "x.png")
    with pytest.raises(DatasetError, match=r"first 'train/a/plain/x\.png'; annotate all or none"):
        load_dataset(tmp_path)


def test_what_is_no_image_is_named_and_hidden_files_are_not(tmp_path: Path) -> None:
    tree(tmp_path, ["a", "b"])
    (tmp_path / "a" / ".DS_Store").write_bytes(b"x")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(load_dataset(tmp_path)) == 16
    (tmp_path / "a" / "notes.txt").write_text("x")
    with pytest.warns(DebiasWarning, match=r"1 files have no image extension and are left out, first .*notes\.txt"):
        assert len(load_dataset(tmp_path)) == 16


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        ([], "lists no image; give a folder of class folders"),
        (["a", "."], "the image '0.png' lies in the folder itself"),
        (["train", "test/a"], "the image 'train/0.png' lies in a split's folder itself"),
        (["val/a", "val/b"], "the splits given are val; there must be one for training"),
        (
            ["0", "1"],
            "the label '0' is a number, which means nothing in a prompt; say what it is: --class-name 0=WORDS",
        ),
    ],
)
def test_trees_that_are_refused(tmp_path: Path, folders: list[str], message: str) -> None:
    (tmp_path / "t").mkdir()
    with pytest.raises(DatasetError, match=message):
        load_dataset(tree(tmp_path / "t", folders))


def test_labels_are_renamed(tmp_path: Path) -> None:
    tree(tmp_path, ["10", "9"])
    dataset = load_dataset(tmp_path, own=CustomData(class_names=("9=a cat", "10=a dog")))
    assert dataset.class_names == ("a cat", "a dog")  # numbers in the order of their value
    assert by_id(dataset)["10/0.png"][0] == "a dog"
    for wrong in ("11=x", "9", "9="):
        with pytest.raises(DatasetError, match=r"is not of the form LABEL=WORDS with a label of .* \(9, 10\)"):
            load_dataset(tmp_path, own=CustomData(class_names=(wrong,)))


# Tables


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_a_table_in_any_format_reads_the_same(tmp_path: Path, ending: str) -> None:
    dataset = load_dataset(write_table(tmp_path / f"t.{ending}"), own=CustomData(attribute_columns=("place",)))
    assert by_id(dataset) == {path: (label, split) for path, label, _, split in ROWS}
    assert dataset.attributes["place"].words == [place for _, _, place, _ in ROWS]
    assert list(dataset.suspects) == ["place"]
    assert dataset.root == tmp_path


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_numbers_in_a_table(tmp_path: Path, ending: str) -> None:
    rows = [(f"{i}.png", i % 2, float(i % 3), i % 3) for i in range(12)]
    table = write_table(tmp_path / f"t.{ending}", ("file_name", "y", "kind", "partition"), rows)
    own = CustomData(class_names=("0=cat", "1=dog"), attribute_columns=("kind",))
    dataset = load_dataset(table, own=own)
    assert dataset.y.tolist() == [i % 2 for i in range(12)]
    assert dataset.split.tolist() == [("train", "val", "test")[i % 3] for i in range(12)]
    assert {float(word) for word in dataset.attributes["kind"].values} == {0, 1, 2}
    assert not dataset.suspects  # a number is no wording


def test_columns_are_named_or_usual(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.csv", ("where", "what", "place", "part"))
    named = CustomData("where", "what", "part")
    assert by_id(load_dataset(table, own=named)) == {path: (label, split) for path, label, _, split in ROWS}
    with pytest.raises(DatasetError, match=r"no column has a usual name for an image's path \(.*--image-column"):
        load_dataset(table)
    with pytest.raises(
        DatasetError, match=r"has no column 'wat' \(did you mean 'what'\?\); it has where, what, place, part"
    ):
        load_dataset(table, own=CustomData("where", "wat"))


def test_groups_are_a_yardstick_and_no_suspect(tmp_path: Path) -> None:
    rows = [(path, label, f"{label} {place}", split) for path, label, place, split in ROWS]
    table = write_table(tmp_path / "t.csv", ("path", "label", "group", "split"), rows)
    dataset = load_dataset(table)
    assert dataset.attributes["group"].values == ("cat in", "cat out", "dog in", "dog out")
    assert not dataset.suspects
    with pytest.raises(DatasetError, match="--group-column and --attribute-column both"):
        load_dataset(table, own=CustomData(group_column="group", attribute_columns=("split",)))


def test_paths_start_from_another_folder(tmp_path: Path) -> None:
    table = write_table(tmp_path / "images" / "t.csv")
    moved = table.rename(tmp_path / "t.csv")
    with pytest.raises(
        DatasetError, match=r"24 of 24 images are missing, first row 1, 'img/0.png'; .*\(--image-root\)"
    ):
        load_dataset(moved)
    assert len(load_dataset(moved, own=CustomData(image_root=tmp_path / "images"))) == 24
    absolute = write_table(tmp_path / "a.csv", rows=[(str(tmp_path / row[0]), *row[1:]) for row in ROWS])
    assert len(load_dataset(absolute)) == 24


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("", "cat", "in", "train"), "row 25 has nothing in column 'path'"),
        (("z.png", "", "in", "train"), "row 25 has nothing in column 'label'"),
        (("z.png", "cat", "in", "fold3"), "row 25 has split 'fold3'; train, val or test expected"),
        (("img/3.png", "cat", "in", "val"), r"rows 4 and 25 are the same image, 'img/3.png'"),
    ],
)
def test_rows_that_are_refused(tmp_path: Path, row: tuple[str, ...], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        load_dataset(write_table(tmp_path / "t.csv", rows=[*ROWS, row]))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"", "it has none: name it with --image-column"),
        ("t.csv", b"path,label\n", "lists no image"),
        ("t.csv", b"path,label\n\xff\xfe,x\n", "not a valid .csv table"),
        ("t.jsonl", b"{\n", "not a valid .jsonl table"),
        ("t.parquet", b"PAR1", "not a valid .parquet table"),
        ("t.xlsx", b"", r"ends in '.xlsx'; give a folder, or a table \(.csv, "),
    ],
)
def test_files_that_are_no_table(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetError, match=message) as caught:
        load_dataset(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_row_with_too_many_cells_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("path,label\na.png,cat,more,and more\nb.png,dog\n")
    with pytest.raises(DatasetError, match="row 1 has 4 cells, the header has 2"):
        load_dataset(tmp_path / "t.csv")


def test_the_image_root_is_any_kind_of_path(tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv")
    as_path, as_text = (load_dataset(tmp_path / "t.csv", check_images=False, own=CustomData(image_root=root))
                        for root in (tmp_path / "img", str(tmp_path / "img")))  # fmt: skip
    assert as_text.root == as_path.root == tmp_path / "img"
    with pytest.raises(UsageError, match="image_root is 3; the path of a folder expected"):
        CustomData(image_root=3)  # type: ignore[arg-type]


def test_one_class_can_be_read_but_not_trained_on(tmp_path: Path) -> None:
    dataset = load_dataset(tree(tmp_path / "t", ["cat"]))
    assert dataset.class_names == ("cat",)
    with pytest.raises(DatasetError, match=r"t: has one class \('cat'\); two or more expected"):
        prepare(TrainSettings(dataset=str(tmp_path / "t"), attribute=("place=in:out",)))


def test_no_such_path_and_no_such_name(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such file or folder; give a folder of images or a table"):
        load_dataset(tmp_path / "none")
    with pytest.raises(UnknownNameError, match="did you mean 'celeba'"):
        load_dataset("celebaa")


# Folders with metadata


def test_an_imagefolder_with_one_metadata_file(tmp_path: Path) -> None:
    write_table(tmp_path / "metadata.csv", ("file_name", "label", "place", "split"))
    dataset = load_dataset(tmp_path, own=CustomData(attribute_columns=("place",)))
    assert by_id(dataset) == {path: (label, split) for path, label, _, split in ROWS}
    paint(tmp_path / "img" / "stray.png")
    with pytest.warns(DebiasWarning, match=r"1 images are in no metadata file and left out, first 'img/stray\.png'"):
        load_dataset(tmp_path)


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_an_imagefolder_with_a_metadata_file_per_split(tmp_path: Path, ending: str) -> None:
    for part in ("train", "test"):
        rows = [(f"{i}.png", ("cat", "dog")[i % 2]) for i in range(10)]
        write_table(tmp_path / part / f"metadata.{ending}", ("file_name", "label"), rows)
    dataset = load_dataset(tmp_path)
    assert len(dataset) == 20
    assert by_id(dataset)["test/1.png"] == ("dog", "test")
    assert dataset.split_rule["drawn"] == ["val"]


def test_an_imagefolder_whose_images_lie_in_split_folders(tmp_path: Path) -> None:
    rows = [(f"{split}/{i}.png", label) for i, (_, label, _, split) in enumerate(ROWS)]
    write_table(tmp_path / "metadata.csv", ("file_name", "label"), rows)
    assert by_id(load_dataset(tmp_path)) == {f"{s}/{i}.png": (label, s) for i, (_, label, _, s) in enumerate(ROWS)}


def test_metadata_files_with_other_columns_are_refused(tmp_path: Path) -> None:
    write_table(tmp_path / "train" / "metadata.csv", ("file_name", "label"), [("a.png", "cat"), ("b.png", "dog")])
    write_table(tmp_path / "test" / "metadata.csv", ("file_name", "label", "split"), [("a.png", "cat", "test")])
    with pytest.raises(DatasetError, match="different columns; give all the same"):
        load_dataset(tmp_path)


# Drawn splits


NAMES = st.lists(st.text(min_size=1, max_size=4), min_size=8, max_size=60, unique=True)


@given(NAMES, st.integers(0, 9), st.integers(0, 9))
def test_a_drawn_split_does_not_depend_on_the_order(ids: list[str], seed: int, other: int) -> None:
    y = np.array([len(name) % 2 if i >= 8 else i % 2 for i, name in enumerate(ids)])
    split, _ = complete(ids, y, None, Shares(seed=seed))
    order = np.random.default_rng(other).permutation(len(ids)).tolist()
    again, _ = complete([ids[i] for i in order], y[order], None, Shares(seed=seed))
    assert again.tolist() == split[order].tolist()


@given(NAMES, st.floats(0.05, 0.45), st.floats(0.05, 0.45))
def test_every_class_keeps_its_share(ids: list[str], val: float, test: float) -> None:
    y = np.arange(len(ids)) % 2
    split, _ = complete(ids, y, None, Shares(val, test))
    for k in (0, 1):
        parts = split[y == k].tolist()
        assert parts.count("train") >= 1
        for name, share in (("val", val), ("test", test)):
            assert parts.count(name) >= 1
            assert abs(parts.count(name) - share * len(parts)) <= 1


def test_a_seed_draws_other_images_and_the_order_is_the_hashes() -> None:
    import hashlib

    ids = [f"{i}.jpg" for i in range(50)]
    assert shuffled(ids, 0).tolist() != shuffled(ids, 1).tolist()
    assert sorted(shuffled(ids, 0).tolist()) == list(range(50))
    keys = [hashlib.sha256(f"3\n{name}".encode()).hexdigest() for name in ids]
    assert [keys[i] for i in shuffled(ids, 3)] == sorted(keys)


def test_shares_and_classes_too_small_are_refused() -> None:
    with pytest.raises(UsageError, match="shares are 0.6 for val and 0.5 for test"):
        Shares(0.6, 0.5)
    with pytest.raises(DatasetError, match="a class has 2 images to draw val and test from"):
        complete(["a", "b", "c", "d", "e"], np.array([0, 0, 1, 1, 1]), None, Shares())


def test_a_class_without_training_images_is_named(tmp_path: Path) -> None:
    rows = [*ROWS, ("z.png", "emu", "in", "test")]
    with pytest.warns(DebiasWarning, match="no training image of emu"):
        load_dataset(write_table(tmp_path / "t.csv", rows=rows))


# Size


def test_two_hundred_thousand_rows(tmp_path: Path) -> None:
    n = 200_000
    path = tmp_path / "t.csv"
    with open(path, "w") as file:
        file.write("path,label,split,place\n")
        file.writelines(
            f"img/{i:06d}.jpg,{('cat', 'dog')[i % 2]},{('train', 'val', 'test')[i % 3]},{i % 5}\n" for i in range(n)
        )
    listing = read_table(path, CustomData(attribute_columns=("place",)))
    assert len(listing.ids) == n
    dataset = read_custom(path, CustomData(attribute_columns=("place",)))
    assert np.bincount(dataset.y).tolist() == [n // 2, n // 2]


def test_settings_reach_the_reader(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.csv", ("where", "what", "place", "part"))
    settings = DataSettings(
        dataset=str(table), image_column="where", label_column="what", split_column="part", attribute_column=("place",),
        class_name=("cat=a cat",),
    )  # fmt: skip
    dataset, attributes = read_dataset(settings)
    assert dataset.class_names == ("a cat", "dog")
    assert [one.name for one in attributes] == ["place"]
    undivided = DataSettings(dataset=str(table), image_column="where", label_column="what", split_column=None,
                             attribute_column=("place",), val_share=0.2, test_share=0.3, split_seed=5)  # fmt: skip
    assert read_dataset(undivided)[0].split_rule == {
        "given": [],
        "drawn": ["val", "test"],
        "val": 0.2,
        "test": 0.3,
        "seed": 5,
        "stratified_by": ["class", "place"],
    }


def test_encoding_needs_no_suspect(tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``encode`` has no option to name one: it asks the probe nothing."""
    folder = tree(tmp_path / "photos", ["cat", "dog"])
    words = ["encode", str(folder), "--pretrained", f"local-dir:{tiny_checkpoint}", "--workers", "0"]
    with pytest.raises(SystemExit) as ended:
        main([*words, "--cache-dir", str(tmp_path / "cache"), "--json"])
    assert ended.value.code == 0
    assert json.loads(capsys.readouterr().out)["images"] == 16
