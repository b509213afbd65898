"""Promises: views are CoOp's crops and flips, fixed by image, number and seed, encoded once, torchvision's pixels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as reference

from debias_pt.datasets import ImageDataset, load_dataset
from debias_pt.datasets.images import open_rgb
from debias_pt.errors import UsageError
from debias_pt.features.augmentation import Augmentation, encode_views
from debias_pt.features.encoding import encode_with_stats
from debias_pt.models.backbone import Backbone

ROWS = [5, 0, 17]


@pytest.fixture(scope="module")
def dataset(waterbirds_root: Path) -> ImageDataset:
    return load_dataset("waterbirds", waterbirds_root, check_counts=False)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("views")


@pytest.fixture(scope="module")
def views(backbone: Backbone, dataset: ImageDataset, place: Path) -> np.ndarray:
    return encode_views(backbone, dataset, ROWS, 3, seed=1, cache_dir=place)


def test_views_are_unit_features_that_differ(views: np.ndarray) -> None:
    assert views.shape[:2] == (3, 3)
    assert views.dtype == np.float32
    assert np.allclose(np.linalg.norm(views, axis=-1), 1, atol=1e-5)
    flat = views.reshape(9, -1)
    assert len({row.tobytes() for row in flat}) == 9


def test_a_second_call_encodes_nothing_and_more_views_keep_the_first(
    backbone: Backbone, dataset: ImageDataset, views: np.ndarray, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = encode_views(backbone, dataset, [0, 9], 4, seed=1, cache_dir=place)
    assert (more[:3, 0] == views[:, 1]).all()  # row 0 stands second there
    monkeypatch.setattr(Backbone, "encode_images", None)
    assert (encode_views(backbone, dataset, ROWS, 3, seed=1, cache_dir=place) == views).all()


def test_views_are_the_same_in_another_cache(
    backbone: Backbone, dataset: ImageDataset, views: np.ndarray, tmp_path: Path
) -> None:
    np.random.seed(0)
    torch.manual_seed(0)
    again = encode_views(backbone, dataset, ROWS, 3, seed=1, cache_dir=tmp_path)
    assert np.allclose(again, views, atol=1e-6)


def test_seed_and_augmentation_make_other_views_and_plain_features_stay_apart(
    backbone: Backbone, dataset: ImageDataset, views: np.ndarray, place: Path
) -> None:
    other = encode_views(backbone, dataset, ROWS, 1, seed=2, cache_dir=place)
    assert not np.allclose(other[0], views[0], atol=1e-4)
    milder = encode_views(
        backbone, dataset, ROWS, 1, seed=1, augmentation=Augmentation(scale=(0.9, 1)), cache_dir=place
    )
    assert not np.allclose(milder[0], views[0], atol=1e-4)
    _, stats = encode_with_stats(backbone, dataset.rows(ROWS), cache_dir=place, workers=0)
    assert stats.encoded == 3


def test_the_gentlest_augmentation_is_a_plain_resize(backbone: Backbone, dataset: ImageDataset, tmp_path: Path) -> None:
    whole = Augmentation(scale=(1, 1), ratio=(1, 1), flip=0)
    found = encode_views(backbone, dataset, ROWS, 1, seed=0, augmentation=whole, cache_dir=tmp_path)[0]
    for feature, row in zip(found, ROWS, strict=True):
        image = open_rgb(dataset.root / dataset.ids[row])
        w, h = image.size
        side = min(w, h)
        left, top = (w - side) // 2, (h - side) // 2
        pixels = backbone.preprocess(image.crop((left, top, left + side, top + side)))
        assert np.allclose(feature, backbone.encode_images(pixels[None])[0].numpy(), atol=1e-5)


def test_pixels_are_torchvisions() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    image, augmentation = Image.fromarray(noise), Augmentation()
    for seed in range(20):
        (left, top, right, bottom), flip = augmentation.draw(np.random.default_rng(seed), 90, 60)
        found = augmentation(image, 32, np.random.default_rng(seed))
        expected = reference.resized_crop(
            image, top, left, bottom - top, right - left, [32, 32], InterpolationMode.BICUBIC
        )
        expected = reference.hflip(expected) if flip else expected
        assert (np.asarray(found) == np.asarray(expected)).all()


def test_crops_have_the_shares_ratios_and_flips_that_were_asked_for() -> None:
    drawn = [Augmentation().draw(np.random.default_rng(seed), 200, 160) for seed in range(3000)]
    w = np.array([right - left for (left, _, right, _), _ in drawn])
    h = np.array([bottom - top for (_, top, _, bottom), _ in drawn])
    assert all(0 <= box[0] < box[2] <= 200 and 0 <= box[1] < box[3] <= 160 for box, _ in drawn)
    area = w * h / (200 * 160)
    assert 0.075 < area.min() < 0.1
    assert area.max() > 0.9
    assert 0.74 < (w / h).min() < 0.78
    assert 1.28 < (w / h).max() < 1.35
    assert np.mean([flip for _, flip in drawn]) == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize(("size", "box"), [((300, 20), (136, 0, 163, 20)), ((20, 300), (0, 136, 20, 163))])
def test_an_image_too_narrow_for_any_crop_gives_its_centre(size: tuple[int, int], box: tuple[int, ...]) -> None:
    whole = Augmentation(scale=(1, 1))
    found, _ = whole.draw(np.random.default_rng(0), *size)
    assert found == box


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": (0.0, 1.0)}, r"scale is \(0.0, 1.0\)"),
        ({"scale": (0.5, 1.5)}, "scale is"),
        ({"ratio": (2.0, 1.0)}, "ratio is"),
        ({"flip": 1.5}, "flip is 1.5"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        replace(Augmentation(), **options)  # type: ignore[arg-type]


def test_no_views_are_refused(backbone: Backbone, dataset: ImageDataset, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="views is 0; 1 or more"):
        encode_views(backbone, dataset, ROWS, 0, seed=0, cache_dir=tmp_path)
