"""Promises: data sets of Hugging Face (in memory, streamed, from Parquet with the images' bytes) and of torchvision
come in as they are, with the features of their files; images in the cache are not decoded again."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from debias_pt import encode_samples
from debias_pt.datasets.custom.table import read_table
from debias_pt.errors import DatasetError, ImageError
from debias_pt.features.table import FeatureTable
from debias_pt.models.backbone import Backbone
from tests.helpers.tiny_data import FOLDER

NAMES = ["landbird", "waterbird"]
SOME = 30


@pytest.fixture(scope="module")
def files(table: FeatureTable, waterbirds_root: Path) -> list[Path]:
    return [waterbirds_root / FOLDER / name for name in table.ids[:SOME]]


@pytest.fixture
def hugging_face(files: list[Path], table: FeatureTable) -> Any:
    datasets = pytest.importorskip("datasets")
    kinds = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=NAMES)})
    rows = {
        "image": [{"bytes": file.read_bytes(), "path": file.name} for file in files],
        "label": table.y[:SOME].tolist(),
    }
    return datasets.Dataset.from_dict(rows, features=kinds)


@pytest.mark.parametrize("kind", ["in memory", "streamed", "renamed", "parquet"])
def test_hugging_face_data_sets(
    kind: str, hugging_face: Any, backbone: Backbone, table: FeatureTable, tmp_path: Path
) -> None:
    import datasets

    options: dict[str, Any] = {}
    samples = hugging_face
    if kind == "streamed":
        samples = hugging_face.to_iterable_dataset()
    elif kind == "renamed":
        samples = hugging_face.rename_columns({"image": "photograph", "label": "kind"})
        options = {"image_column": "photograph", "label_column": "kind"}
    elif kind == "parquet":
        hugging_face.to_parquet(tmp_path / "birds.parquet")
        options = {}
        samples = datasets.Dataset.from_parquet(str(tmp_path / "birds.parquet"), cache_dir=str(tmp_path / "hf"))
    made, stats = encode_samples(backbone, samples, NAMES, split="train", cache_dir=tmp_path / "cache", **options)
    np.testing.assert_allclose(made.features, table.features[:SOME], atol=1e-5)
    assert made.y.tolist() == table.y[:SOME].tolist()
    assert made.image_hashes == table.image_hashes[:SOME]  # those of the files, so that they share the cache
    assert made.fingerprint == backbone.fingerprint
    assert stats.encoded == len(set(made.image_hashes))


def test_known_images_are_not_decoded(
    hugging_face: Any,
    files: list[Path],
    backbone: Backbone,
    table: FeatureTable,
    cache_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("debias_pt.features.samples.open_rgb", None)
    monkeypatch.setattr("PIL.Image.open", None)
    by_path = list(zip(files, table.y[:SOME], strict=True))
    for samples in (hugging_face, by_path, iter(by_path)):
        made, stats = encode_samples(backbone, samples, NAMES, split="train", cache_dir=cache_dir)
        assert stats.encoded == 0
        np.testing.assert_allclose(made.features, table.features[:SOME], atol=1e-6)


def test_torchvision_and_splits_of_streams(
    files: list[Path], backbone: Backbone, table: FeatureTable, tmp_path: Path
) -> None:
    from torchvision.datasets import ImageFolder

    for number, (file, k) in enumerate(zip(files, table.y[:SOME].tolist(), strict=True)):
        place = tmp_path / "images" / NAMES[k] / f"{number:02d}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.read_bytes())
    folder = ImageFolder(str(tmp_path / "images"))
    made, _ = encode_samples(backbone, folder, folder.classes, split="train", cache_dir=tmp_path / "cache")
    order = np.argsort(table.y[:SOME], kind="stable")
    np.testing.assert_allclose(made.features, table.features[:SOME][order], atol=1e-5)
    streams = {split: ((image, k) for image, k in [folder[0], folder[-1 % len(folder)]]) for split in ("train", "test")}
    both, _ = encode_samples(backbone, streams, folder.classes, cache_dir=tmp_path / "cache")
    assert both.ids == ("train/0", "train/1", "test/0", "test/1")


def test_what_does_not_fit_is_one_line(hugging_face: Any, backbone: Backbone, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"has no column with a usual name for the label; it has image, kind"):
        encode_samples(backbone, hugging_face.rename_column("label", "kind"), NAMES, cache_dir=tmp_path)
    with pytest.raises(DatasetError, match="has no column 'x'"):
        encode_samples(backbone, hugging_face, NAMES, image_column="x", cache_dir=tmp_path)
    with pytest.raises(DatasetError, match="samples are int"):
        encode_samples(backbone, 5, NAMES, cache_dir=tmp_path)
    with pytest.raises(DatasetError, match="there are no samples"):
        encode_samples(backbone, iter([]), NAMES, cache_dir=tmp_path)
    hugging_face.to_parquet(tmp_path / "birds.parquet")
    with pytest.raises(DatasetError, match="the column 'image' holds images, not their paths; read it from Python"):
        read_table(tmp_path / "birds.parquet")
    broken = [{"image": {"bytes": b"no image", "path": None}, "label": 0}]
    with pytest.raises(ImageError, match="sample 0: cannot read this image"):
        encode_samples(backbone, broken, NAMES, split="train", cache_dir=tmp_path)
    grey = io.BytesIO()
    Image.new("L", (40, 40), 128).save(grey, "PNG")
    made, _ = encode_samples(backbone, [(grey.getvalue(), "waterbird")], NAMES, split="train", cache_dir=tmp_path)
    assert made.y.tolist() == [1]


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_webdataset_shards(files: list[Path], backbone: Backbone, table: FeatureTable, tmp_path: Path) -> None:
    """Two shards as they are, the images as the bytes of their files."""
    shards = pytest.importorskip("webdataset")
    for shard in range(2):
        with shards.TarWriter(str(tmp_path / f"birds-{shard}.tar")) as target:
            for row in range(15 * shard, 15 * shard + 15):
                sample = {"__key__": f"{row:04d}", "jpg": files[row].read_bytes(), "cls": int(table.y[row])}
                target.write(sample)
    stream = shards.WebDataset(str(tmp_path / "birds-{0..1}.tar"), shardshuffle=False).decode()
    made, _ = encode_samples(backbone, stream, NAMES, split="train", cache_dir=tmp_path / "cache")
    np.testing.assert_allclose(made.features, table.features[:SOME], atol=1e-5)
    assert made.y.tolist() == table.y[:SOME].tolist()


def test_a_stream_that_breaks_off(files: list[Path], backbone: Backbone, tmp_path: Path) -> None:
    def stream() -> Iterator[tuple[Path, int]]:
        yield files[0], 0
        raise ConnectionResetError("the other end is gone")

    with pytest.raises(DatasetError, match="ends with an error after 1 of them: the other end is gone"):
        encode_samples(backbone, stream(), NAMES, split="train", cache_dir=tmp_path)
