"""Promises: images at hand in Python become the same features as their files; WILDS' data sets bring splits and
attributes along; what is no sample is named by its number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import Dataset, Subset

from debias_pt import Shares, Tuner, encode_samples, join_tables, table_from_arrays
from debias_pt.datasets.images import open_rgb, to_rgb
from debias_pt.datasets.wilds_reader import read_present
from debias_pt.errors import DatasetError, DebiasError, ImageError, UsageError
from debias_pt.features.table import FeatureTable
from debias_pt.groups.groups import Groups
from debias_pt.models.backbone import Backbone

NAMES = ["landbird", "waterbird"]


class Birds(Dataset[Any]):
    """A torch data set whose items can be read once only."""

    def __init__(self, table: FeatureTable, root: Path, kind: str) -> None:
        self.paths = [root / "waterbirds_v1.0" / name for name in table.ids]
        self.y, self.kind, self.read = table.y, kind, 0

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> tuple[Any, Any]:
        self.read += 1
        image = open_rgb(self.paths[i])
        pixels = np.asarray(image)
        made = {
            "path": self.paths[i],
            "PIL": image,
            "array": pixels,
            "tensor": torch.from_numpy(pixels.copy()).permute(2, 0, 1),
            "float": torch.from_numpy(pixels.copy()).permute(2, 0, 1) / 255,
        }
        return made[self.kind], torch.tensor(self.y[i])


@pytest.mark.parametrize("kind", ["path", "PIL", "array", "tensor", "float"])
def test_samples_of_any_kind_have_the_features_of_their_files(
    kind: str, backbone: Backbone, table: FeatureTable, waterbirds_root: Path, tmp_path: Path
) -> None:
    samples = Birds(table, waterbirds_root, kind)
    made, stats = encode_samples(
        backbone, samples, NAMES, split=table.split.tolist(), ids=table.ids, cache_dir=tmp_path
    )
    assert samples.read == len(samples)
    np.testing.assert_allclose(made.features, table.features, atol=1e-5)
    assert made.y.tolist() == table.y.tolist()
    assert made.split.tolist() == table.split.tolist()
    assert stats.encoded == len(set(made.image_hashes))
    again, stats = encode_samples(backbone, samples, NAMES, split="train", cache_dir=tmp_path)
    assert stats.encoded == 0
    assert np.array_equal(again.features, made.features)


def test_paths_share_the_cache_of_files(
    backbone: Backbone, table: FeatureTable, waterbirds_root: Path, cache_dir: Path
) -> None:
    _, stats = encode_samples(backbone, Birds(table, waterbirds_root, "path"), NAMES, cache_dir=cache_dir)
    assert stats.encoded == 0


def test_a_mapping_of_splits_and_labels_by_name(
    backbone: Backbone, table: FeatureTable, waterbirds_root: Path, tmp_path: Path
) -> None:
    whole = Birds(table, waterbirds_root, "PIL")
    parts = {split: Subset(whole, np.flatnonzero(table.split == split).tolist()) for split in ("train", "val", "test")}
    made, stats = encode_samples(backbone, parts, NAMES, cache_dir=tmp_path)
    assert stats.images == len(made) == len(table)
    for split in parts:
        np.testing.assert_allclose(made.where(split).features, table.where(split).features, atol=1e-5)
    assert made.ids[0] == "train/0"
    with pytest.raises(UsageError, match="go with one set of samples, not with a mapping"):
        encode_samples(backbone, parts, NAMES, split="train", cache_dir=tmp_path)
    named = [(whole[i][0], NAMES[table.y[i]]) for i in range(20)]
    made, _ = encode_samples(backbone, named, NAMES, attributes={"odd": ["yes", "no"] * 10}, cache_dir=tmp_path)
    assert made.y.tolist() == table.y[:20].tolist()
    assert made.attributes["odd"].words == ["yes", "no"] * 10
    assert set(made.split) == {"train", "val", "test"}  # drawn


@pytest.fixture(scope="module")
def wilds(waterbirds_root: Path) -> Any:
    return read_present("waterbirds_dataset", "WaterbirdsDataset", waterbirds_root)


@pytest.mark.filterwarnings("ignore:the true group:debias_pt.errors.DebiasWarning")
def test_a_wilds_data_set_brings_splits_and_attributes(
    wilds: Any, backbone: Backbone, table: FeatureTable, tmp_path: Path
) -> None:
    made, _ = encode_samples(backbone, wilds, NAMES, cache_dir=tmp_path)
    np.testing.assert_allclose(made.features, table.features, atol=1e-5)
    assert made.split.tolist() == table.split.tolist()
    assert list(made.attributes) == ["background"]
    assert made.attributes["background"].words == table.attributes["background"].words  # without WILDS' padding
    subsets = {split: wilds.get_subset(split) for split in ("train", "val", "test")}
    joined, _ = encode_samples(backbone, subsets, NAMES, cache_dir=tmp_path)
    for split in subsets:
        assert joined.where(split).attributes["background"].words == table.where(split).attributes["background"].words
    groups = Groups.true(joined.y, joined.class_names, [joined.attributes["background"]])
    tuner = Tuner(backbone, method="dpt", steps=2).fit(joined, groups)
    assert tuner.predict(joined.features).shape == (1, len(joined))


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        (3, "sample 1 is int; \\(image, label\\) expected"),
        ((Image.new("RGB", (4, 4)),), "sample 1 is tuple; \\(image, label\\) expected"),
        (
            (Image.new("RGB", (4, 4)), 2),
            "sample 1 has the label 2; 0 to 1 or a name expected \\(landbird, waterbird\\)",
        ),
        ((Image.new("RGB", (4, 4)), "cat"), "sample 1 has the label 'cat'"),
        ((Image.new("RGB", (4, 4)), -1), "sample 1 has the label -1"),
        (("gone.png", 0), "gone.png: cannot read this file"),
        ((object(), 0), "sample 1: the image is object; a path, PIL image, array or tensor expected"),
        ((torch.randn(3, 4, 4), 0), "sample 1: the image goes from -.*give it without a model's normalisation"),
        ((np.zeros((4, 4, 2), np.uint8), 0), r"sample 1: the image has shape \(4, 4, 2\)"),
        ((np.zeros((4, 4), np.int64), 0), "sample 1: the image has type int64; uint8, or floats from 0 to 1, expected"),
    ],
)
def test_what_is_no_sample_is_named(sample: Any, message: str, backbone: Backbone, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=message):
        encode_samples(backbone, [(Image.new("RGB", (4, 4)), 0), sample], NAMES, split="test", cache_dir=tmp_path)


def test_no_samples_and_an_unknown_split(
    wilds: Any, backbone: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DatasetError, match="there are no samples"):
        encode_samples(backbone, [], NAMES, cache_dir=tmp_path)
    monkeypatch.setattr(type(wilds), "_split_dict", {"train": 0, "id_val": 1, "test": 2}, raising=False)
    with pytest.raises(DatasetError, match="the data set has a split 'id_val'; give split="):
        encode_samples(backbone, wilds, NAMES, cache_dir=tmp_path)


@pytest.mark.parametrize("shape", [(5, 6), (5, 6, 3), (3, 5, 6), (1, 5, 6), (5, 6, 1)])
def test_arrays_become_rgb(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    image = np.asarray(to_rgb(values))
    assert image.shape == (5, 6, 3)
    plain = values.transpose(1, 2, 0) if shape[0] in (1, 3) else values.reshape(5, 6, -1)
    np.testing.assert_array_equal(image, np.broadcast_to(plain, (5, 6, 3)))
    np.testing.assert_array_equal(np.asarray(to_rgb(values / 255)), image)
    with pytest.raises(ImageError):
        to_rgb(values[None, None])


# Ready arrays


def rows(n: int = 40) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    rng = np.random.default_rng(0)
    return 7 * rng.normal(size=(n, 5)), np.arange(n) % 2


def test_ready_arrays() -> None:
    features, y = rows()
    table = table_from_arrays(features, y, NAMES, attributes={"place": ["in", "out"] * 20}, shares=Shares(0.2, 0.3))
    np.testing.assert_allclose(np.linalg.norm(table.features, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(table.features * np.linalg.norm(features, axis=1, keepdims=True), features, rtol=1e-4)
    assert table.split.tolist().count("val") == 8
    assert table.split.tolist().count("test") == 12
    with pytest.raises(UsageError, match="row 3 of the features is all 0"):
        table_from_arrays(np.where(np.arange(40)[:, None] == 3, 0, features), y, NAMES)
    with pytest.raises(DebiasError, match="rows of y for 40 ids"):
        table_from_arrays(features, y[:5], NAMES, split="train")
    with pytest.raises(DebiasError, match="unknown split 'fold'"):
        table_from_arrays(features, y, NAMES, split="fold")


def test_joined_tables_keep_their_words() -> None:
    features, y = rows(4)
    one = table_from_arrays(features, y, NAMES, split="train", ids="abcd", attributes={"place": ["b", "b", "b", "a"]})
    two = table_from_arrays(features, y, NAMES, split="test", ids="efgh", attributes={"place": ["c", "b", "c", "c"]})
    whole = join_tables([one, two])
    assert whole.ids == tuple("abcdefgh")
    assert whole.attributes["place"].words == ["b", "b", "b", "a", "c", "b", "c", "c"]
    assert whole.split.tolist() == ["train"] * 4 + ["test"] * 4
    other = table_from_arrays(features, y, ["cat", "dog"], split="test", ids="efgh", attributes={"place": list("abab")})
    with pytest.raises(UsageError, match="tables to join have classes"):
        join_tables([one, other])
    with pytest.raises(DatasetError, match="the id 'a' appears in two rows"):
        join_tables([one, one])


def test_the_ways_in_of_the_document_work(
    wilds: Any, backbone: Backbone, table: FeatureTable, waterbirds_root: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    document = Path(__file__).resolve().parents[2] / "docs" / "own-data.md"
    code = document.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    birds = Birds(table, waterbirds_root, "PIL")
    lines = [f"{path},{'cat' if y else 'dog'},in" for path, y in zip(birds.paths, birds.y, strict=True)]
    (tmp_path / "photos.csv").write_text("\n".join(["path,label,place", *lines]))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEBIAS_PT_CACHE", str(tmp_path / "cache"))
    names: dict[str, Any] = {
        "backbone": backbone, "torch_dataset": birds, "train_set": birds, "val_set": birds, "test_set": birds,
        "wilds_dataset": wilds, "features": table.features, "y": table.y, "split": table.split,
        "places": table.attributes["background"].words,
    }  # fmt: skip
    made = []
    for line in code.splitlines():
        exec(line, names)
        if line.startswith("table"):
            made.append(names["table"])
    assert [len(one) for one in made] == [90, 90, 270, 90, 90]
    assert all(isinstance(one, FeatureTable) for one in made)
