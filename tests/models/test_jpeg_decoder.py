"""Promises: decoding on the device gives nearly Pillow's pixels and features, in order; what its decoder might read
otherwise goes through Pillow, pixel for pixel; nothing is lost; it has a cache of its own and is refused where it
cannot be had."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from debias_pt import encode_samples
from debias_pt.datasets.images import open_rgb
from debias_pt.errors import ImageError, UsageError
from debias_pt.features.encoding import encode_paths
from debias_pt.features.loader import batches, in_batches
from debias_pt.models import jpeg_decoder as device_decoding
from debias_pt.models.backbone import Backbone
from debias_pt.models.jpeg_decoder import DeviceDecoder, read_jpeg

CPU = torch.device("cpu")
CONFIG = {
    "size": [32, 32],
    "mode": "RGB",
    "mean": [0.4, 0.5, 0.6],
    "std": [0.2, 0.3, 0.25],
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}


@pytest.fixture(scope="module")
def on_device(tiny_checkpoint: Path) -> Backbone:
    return Backbone.load(f"local-dir:{tiny_checkpoint}", decode="device")


def picture(width: int = 150, height: int = 90, seed: int = 0) -> Image.Image:
    """Smooth as a photograph, so that JPEG keeps it."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def turned(path: Path) -> None:
    exif = Image.Exif()
    exif[device_decoding.ORIENTATION] = 6
    picture().save(path, "JPEG", exif=exif)


def truncated(path: Path) -> None:
    picture().save(path, "JPEG")
    path.write_bytes(path.read_bytes()[:-30])


ODD: dict[str, Callable[[Path], Any]] = {
    "png": lambda path: picture().save(path, "PNG"),
    "grey": lambda path: picture().convert("L").save(path, "JPEG"),
    "cmyk": lambda path: picture().convert("CMYK").save(path, "JPEG"),
    "stored as rgb": lambda path: picture().save(path, "JPEG", keep_rgb=True),
    "turned": turned,
    "more behind": lambda path: (picture().save(path, "JPEG"), path.write_bytes(path.read_bytes() + b"more")),
}


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Plain and odd files in turn."""
    paths = []
    for number, (name, save) in enumerate(ODD.items()):
        plain = tmp_path / f"{number} plain.jpg"
        picture(100 + 9 * number, 120 - 7 * number, number).save(plain, quality=92, progressive=bool(number % 2))
        save(tmp_path / f"{number} {name}.jpg")
        paths += [str(plain), str(tmp_path / f"{number} {name}.jpg")]
    return paths


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize(("resize_mode", "size"), [("shortest", [32, 32]), ("shortest", 32), ("squash", [24, 40])])
def test_pixels_are_within_a_few_steps_of_pillows(
    tmp_path: Path, resize_mode: str, size: Any, interpolation: str
) -> None:
    from open_clip.transform import PreprocessCfg, image_transform_v2

    config = {**CONFIG, "size": size, "resize_mode": resize_mode, "interpolation": interpolation}
    pillow = image_transform_v2(PreprocessCfg(**config), is_train=False)
    steps = 255 * torch.tensor(CONFIG["std"]).view(3, 1, 1)
    for number, shape in enumerate([(150, 90), (57, 201), (20, 25)]):
        picture(*shape, seed=number).save(tmp_path / "a.jpg", quality=90)
        file = read_jpeg(tmp_path / "a.jpg")
        assert file is not None
        (image,) = DeviceDecoder(config, CPU)([file])
        expected = pillow(open_rgb(tmp_path / "a.jpg"))
        assert image is not None
        assert image.shape == expected.shape
        # A squashed image Pillow 13 may resize in the other order.
        assert ((image - expected) * steps).abs().max() < (6.01 if resize_mode == "squash" else 2.01)


@pytest.mark.parametrize("name", ODD)
def test_what_decoders_may_read_in_different_ways_is_left_to_pillow(tmp_path: Path, name: str) -> None:
    ODD[name](tmp_path / "odd.jpg")
    assert read_jpeg(tmp_path / "odd.jpg") is None


def test_a_plain_file_comes_as_its_bytes(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.jpg")
    file = read_jpeg(tmp_path / "a.jpg")
    assert file is not None
    assert bytes(file.tolist()) == (tmp_path / "a.jpg").read_bytes()


@pytest.mark.parametrize("workers", [0, 2])
def test_features_are_near_those_of_the_default_and_in_order(
    backbone: Backbone, on_device: Backbone, files: list[str], workers: int
) -> None:
    usual = encode_paths(backbone, files, batch_size=5, workers=0)
    decoded = encode_paths(on_device, files, batch_size=5, workers=workers)
    assert (usual * decoded).sum(dim=1).min() > 0.9999
    # in order: every other picture is farther away
    assert (decoded @ usual.T)[0::2].argmax(dim=1).tolist() == list(range(0, len(files), 2))
    odd = encode_paths(backbone, files[1::2], workers=0)
    assert torch.allclose(decoded[1::2], odd, atol=1e-6)


def test_a_file_that_the_decoder_refuses_goes_through_pillow_alone(
    backbone: Backbone, on_device: Backbone, files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = files[0::2]
    refused = read_jpeg(plain[2])
    decode = DeviceDecoder._decode

    def picky(self: DeviceDecoder, given: list[Tensor]) -> list[Tensor]:
        if any(torch.equal(file, refused) for file in given):
            raise RuntimeError("not this one")
        return decode(self, given)

    monkeypatch.setattr(DeviceDecoder, "_decode", picky)
    features = encode_paths(on_device, plain, workers=0)
    usual = encode_paths(backbone, plain, workers=0)
    same = [torch.allclose(a, b, atol=1e-7) for a, b in zip(features, usual, strict=True)]
    assert (features * usual).sum(dim=1).min() > 0.9999
    assert same[2]
    assert not all(same)


def test_lack_of_memory_is_no_reason_to_decode_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: DeviceDecoder, given: list[Tensor]) -> list[Tensor]:
        raise torch.cuda.OutOfMemoryError("full")

    decoder = DeviceDecoder(CONFIG, CPU)
    monkeypatch.setattr(DeviceDecoder, "_decode", full)
    with pytest.raises(torch.cuda.OutOfMemoryError, match="full"):
        decoder([torch.zeros(4, dtype=torch.uint8)])


def test_a_broken_image_is_named_or_listed(on_device: Backbone, files: list[str]) -> None:
    truncated(Path(files[4]))
    Path(files[6]).unlink()
    with pytest.raises(ImageError, match="cannot read this image"):
        encode_paths(on_device, files, workers=0)
    bad: dict[int, str] = {}
    rows = [row for part, _ in batches(on_device, in_batches(files, 5), 0, bad) for row in part]
    assert rows == [row for row in range(len(files)) if row not in (4, 6)]
    assert sorted(bad) == [4, 6]
    assert "no such image file" in bad[6]


def test_the_fingerprint_says_so_only_where_it_is_on(backbone: Backbone, on_device: Backbone) -> None:
    assert backbone.decoder is None
    assert on_device.fingerprint == {**backbone.fingerprint, "decoding": "torchvision on cpu"}


def test_samples_in_python_are_not_filed_as_decoded_on_the_device(on_device: Backbone, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="samples in Python are decoded by Pillow; load the model with decode='cpu'"):
        encode_samples(on_device, [(picture(), 0)], class_names=("a", "b"), cache_dir=tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"resize_mode": "longest"}, "resize_mode is 'longest'; shortest or squash expected: use --decode cpu"),
        ({"interpolation": "random"}, "interpolation is 'random'"),
        ({"size": [32, 40]}, r"size is \[32, 40\]; a square expected"),
        ({"size": None}, "size is None"),
        ({"mean": 0.5}, "mean is 0.5; three numbers expected"),
    ],
)
def test_an_unknown_preprocessing_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        DeviceDecoder({**CONFIG, **change}, CPU)


def test_refusals_are_one_line(backbone: Backbone, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load = f"local-dir:{tiny_checkpoint}"
    with pytest.raises(UsageError, match="decode is 'gpu'; cpu or device expected"):
        Backbone.load(load, decode="gpu")
    with pytest.raises(UsageError, match="draft and decode 'device' are two ways"):
        Backbone.load(load, decode="device", draft=True)
    with pytest.raises(UsageError, match="the preprocessing's mode is None"):
        Backbone(backbone.model, backbone.tokenizer, backbone.preprocess, name="bare", decode="device")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="no GPU is seen; use --decode cpu, or --device cpu"):
        Backbone.load(load, device="auto", decode="device")
    monkeypatch.delattr("torchvision.io.decode_jpeg")
    with pytest.raises(UsageError, match=r"torchvision \S+ does not decode JPEG files on cpu \(.*\); use --decode cpu"):
        Backbone.load(load, decode="device")
