"""Promises: the same rows come out of every layout; nothing is guessed or changed without a line; what cannot be used
is refused in one line that names it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from debias_pt.datasets.custom.feature_paths import holds_features
from debias_pt.datasets.custom.listing import CustomData
from debias_pt.datasets.splits import Shares
from debias_pt.errors import DatasetError, DebiasWarning, UsageError
from debias_pt.features.files.read import ids_of, read_features, read_rows
from debias_pt.utils.array_files import numbers
from tests.helpers.feature_files import CLASSES, PLACES, Columns, by_split, columns
from tests.helpers.feature_layouts import LAYOUTS, table_of, write_npy, write_npz

PLACE = CustomData(attribute_columns=("place",))


@pytest.fixture
def rows() -> Columns:
    return columns()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_rows(layout: str, rows: Columns, tmp_path: Path) -> None:
    write, with_ids = LAYOUTS[layout]
    path = write(rows, tmp_path)
    assert holds_features(str(path))
    own = CustomData() if layout.startswith("saved") else PLACE
    if layout == "npy and csv":
        with pytest.warns(DebiasWarning, match=r"labels and the like are read from birds\.csv beside it"):
            dataset = read_features(path, own)
    else:
        dataset = read_features(path, own)
    np.testing.assert_allclose(dataset.features, rows["features"], atol=1e-6)
    assert [dataset.class_names[k] for k in dataset.y] == rows["label"].tolist()
    assert dataset.split.tolist() == rows["split"].tolist()
    values = ["01"[PLACES.index(one)] for one in rows["place"]] if layout == "safetensors" else rows["place"].tolist()
    assert dataset.attributes["place"].words == values
    assert dataset.ids[:2] == (("bird-0.jpg", "bird-1.jpg") if with_ids else ("train/0", "train/1"))
    assert dataset.class_names == CLASSES
    with pytest.raises(DatasetError, match="features without images; to see 'x', give the images"):
        dataset.path("x")
    kept = dataset.rows([3, 5])
    np.testing.assert_array_equal(kept.features, dataset.features[[3, 5]])
    assert kept.table({}).ids == (dataset.ids[3], dataset.ids[5])


def test_a_saved_table_keeps_what_it_knew(rows: Columns, tmp_path: Path) -> None:
    table = table_of(rows)
    dataset = read_features(table.save(tmp_path / "t.safetensors"))
    again = dataset.table({})
    assert again.data_fingerprint()["content"] == table.data_fingerprint()["content"]
    assert again.data_fingerprint()["labels"] == table.data_fingerprint()["labels"]
    with pytest.raises(DatasetError, match="--label-column kind is for tables, and .* debias-pt saved"):
        read_features(tmp_path / "t.safetensors", CustomData(label_column="kind"))


@given(scale=st.floats(1e-6, 1e6), order=st.permutations(range(6)), half=st.booleans())
def test_lengths_and_order_do_not_matter(scale: float, order: list[int], half: bool) -> None:
    matrix = np.random.default_rng(1).normal(size=(6, 4))
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DebiasWarning)
        scaled = (matrix * (1.0 if half else scale))[order].astype(np.float16 if half else np.float64)
        found = numbers("f", "features", scaled)
    np.testing.assert_allclose(found, matrix[order], atol=2e-3 if half else 1e-6)
    np.testing.assert_allclose(np.linalg.norm(found.astype(np.float64), axis=1), 1, atol=1e-6)


def test_scaling_is_said_and_half_precision_is_not_scaling(rows: Columns, tmp_path: Path) -> None:
    long = {**rows, "features": rows["features"] * np.linspace(2, 3, len(rows["features"]))[:, None]}
    with pytest.warns(DebiasWarning, match=r"200 of 200 rows of 'features' had another length than 1 \(2 to 3\)"):
        dataset = read_features(write_npz(long, tmp_path))
    np.testing.assert_allclose(dataset.features, rows["features"], atol=1e-6)
    read_features(write_npz({**rows, "features": rows["features"].astype(np.float16)}, tmp_path))  # warnings are errors


def test_splits_that_are_not_there_are_drawn(rows: Columns, tmp_path: Path) -> None:
    path = write_npz({name: array for name, array in rows.items() if name != "split"}, tmp_path)
    dataset = read_features(path, CustomData(shares=Shares(0.1, 0.2)))
    assert {name: int((dataset.split == name).sum()) for name in ("train", "val", "test")} == {
        "train": 140, "val": 20, "test": 40,
    }  # fmt: skip
    assert dataset.split_rule["drawn"] == ["val", "test"]
    with pytest.raises(DatasetError, match=r"--val-share is 0\.2, but .* gives the val split"):
        read_features(write_npz(rows, tmp_path), CustomData(shares=Shares(0.2, 0.15)))


def test_labels_that_are_numbers_need_no_words(rows: Columns, tmp_path: Path) -> None:
    own = {**rows, "label": (rows["label"] == "waterbird").astype(np.int8)}
    assert read_features(write_npz(own, tmp_path)).class_names == ("0", "1")
    named = CustomData(class_names=("0=landbird", "1=waterbird"))
    assert read_features(write_npz(own, tmp_path), named).class_names == CLASSES


def without(rows: Columns, *names: str) -> Columns:
    return {name: array for name, array in rows.items() if name not in names}


def spoiled(rows: Columns, row: int, value: float) -> Columns:
    features = rows["features"].copy()
    features[row] = value
    return {**rows, "features": features}


REFUSED: dict[str, tuple[Callable[[Columns], Columns], str]] = {
    "NaN": (lambda rows: spoiled(rows, 4, np.nan), "row 5 of 'features' holds NaN or infinity"),
    "infinity": (lambda rows: spoiled(rows, 4, np.inf), "row 5 of 'features' holds NaN or infinity"),
    "zeros": (lambda rows: spoiled(rows, 6, 0), "row 7 of 'features' holds nothing but zeros"),
    "objects": (
        lambda rows: {**rows, "label": rows["label"].astype(object)},
        "'label' holds Python objects, which could run code; save it as numbers or as text",
    ),
    "too few labels": (
        lambda rows: {**rows, "label": rows["label"][:-1]},
        r"'label' has shape \(199,\) for 200 rows of features; one value a row expected",
    ),
    "no labels": (lambda rows: without(rows, "label"), "says no class of its rows .*name the labels with --label-col"),
    "no features": (lambda rows: without(rows, "features"), "has no features, only label, place, split, id"),
    "one row": (lambda rows: {**rows, "features": rows["features"][0]}, r"of shape \(16,\); numbers \(N, D\) expected"),
    "words for features": (lambda rows: {**rows, "features": rows["features"].astype("U9")}, r"numbers \(N, D\) exp"),
    "another split": (
        lambda rows: {**rows, "split": np.where(rows["split"] == "val", "later", rows["split"])},
        "row 121 has split 'later'; train, val or test expected",
    ),
    "no training rows": (
        lambda rows: {**rows, "split": np.where(rows["split"] == "train", "val", rows["split"])},
        "there must be one for training",
    ),
    "twice the same": (
        lambda rows: {**rows, "id": np.where(rows["id"] == "bird-3.jpg", "bird-1.jpg", rows["id"])},
        "rows 2 and 4 are the same image, 'bird-1.jpg'",
    ),
    "a label beyond the names": (
        lambda rows: {**rows, "label": np.arange(200) % 3, "class_names": np.array(CLASSES)},
        "row 3 has the label '2' for 2 class names; 0 to 1, or one of the names expected",
    ),
    "one name twice": (lambda rows: {**rows, "class_names": np.array(["a", "a"])}, "class_names has 'a' twice"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_used_is_refused_in_a_line(what: str, rows: Columns, tmp_path: Path) -> None:
    spoil, message = REFUSED[what]
    path = write_npz(spoil(rows), tmp_path)
    with pytest.raises(DatasetError, match=message) as refused:
        read_features(path)
    assert refused.value.exit_code == 2
    assert str(path) in str(refused.value) or what == "no training rows"


def test_splits_of_unequal_arrays_are_refused(rows: Columns, tmp_path: Path) -> None:
    parts = by_split(rows)
    path = tmp_path / "birds.npz"
    np.savez(path, **without(parts, "val_labels"))  # type: ignore[arg-type]
    with pytest.raises(DatasetError, match="labels of val: none; one array expected, val_labels"):
        read_features(path)
    np.savez(path, **{**parts, "val_features": np.eye(8)[np.arange(40) % 8]})  # type: ignore[arg-type]
    with pytest.raises(DatasetError, match=r"features of unequal size \(train 16, val 8, test 16\)"):
        read_features(path)
    np.savez(path, **without(parts, "val_place"))  # type: ignore[arg-type]
    with pytest.raises(DatasetError, match="'place' is not there for every split"):
        read_features(path)
    np.savez(path, **{**parts, "extra": np.eye(3)})  # type: ignore[arg-type]
    with pytest.warns(DebiasWarning, match="not read: extra"):
        read_features(path)


def test_columns_and_files_are_named(rows: Columns, tmp_path: Path) -> None:
    path = write_npz(rows, tmp_path)
    with pytest.raises(DatasetError, match=r"no column 'plac' \(did you mean 'place'\?\)"):
        read_features(path, CustomData(attribute_columns=("plac",)))
    with pytest.raises(DatasetError, match=r"no column 'ids' \(did you mean 'id'\?\).*\(--image-column\)"):
        read_features(path, CustomData(image_column="ids"))
    with pytest.raises(DatasetError, match="--image-root here is for images"):
        read_features(path, CustomData(image_root="here"))
    with pytest.raises(DatasetError, match="no such file or folder"):
        read_features(tmp_path / "no.npz")
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(DatasetError, match=r"text\.npz: is a pickle|text\.npz: damaged"):
        read_features(tmp_path / "text.npz")
    (tmp_path / "text.safetensors").write_text("none")
    with pytest.raises(DatasetError, match="damaged or unreadable"):
        read_features(tmp_path / "text.safetensors")
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(DatasetError, match="damaged"):
        read_features(path)


def test_a_table_beside_has_to_have_the_same_rows(rows: Columns, tmp_path: Path) -> None:
    path = write_npy(rows, tmp_path)
    lines = (tmp_path / "birds.csv").read_text().splitlines()
    (tmp_path / "birds.csv").write_text("\n".join(lines[:-1]))
    with pytest.raises(DatasetError, match=r"199 rows for 200 of birds\.npy"):
        read_features(path)
    (tmp_path / "birds.csv").unlink()
    with pytest.raises(DatasetError, match=r"put birds\.csv beside it with a column 'label'"):
        read_features(path)
    assert ids_of(path, read_rows(path))[:2] == ["0", "1"]  # to predict, no label is needed


def test_images_are_no_features(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    from pyarrow import table
    from pyarrow.parquet import write_table

    write_table(table({"path": ["a.jpg"], "label": ["cat"]}), tmp_path / "images.parquet")
    for name in ("waterbirds", "birds.csv", str(tmp_path), str(tmp_path / "images.parquet")):
        assert not holds_features(name)


def test_options_of_images_are_refused() -> None:
    from debias_pt.settings import TrainSettings
    from debias_pt.workflows.source import load_source

    for option, flag in (({"draft": True}, "--draft"), ({"on_bad_image": "skip"}, "--on-bad-image skip"),
                         ({"check_counts": False}, "--no-check-counts"), ({"workers": 2}, "--workers 2")):  # fmt: skip
        more: dict[str, Any] = option
        with pytest.raises(UsageError, match=f"{flag} is for images, and x.npz holds features"):
            load_source(TrainSettings(dataset="x.npz", **more), check_counts=True, check_images=True)
    with pytest.raises(UsageError, match="features are read from this machine"):
        load_source(TrainSettings(dataset="s3://bucket/x.npz"), check_counts=True, check_images=True)
