"""Promises: a hostile or damaged file is named and refused, or harmless; nothing hangs, no row shifts, no
pickle runs."""

from __future__ import annotations

import io
import os
import random
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from debias_pt.datasets.custom.table import read_table
from debias_pt.datasets.images import open_rgb
from debias_pt.errors import BackboneError, DebiasError, FingerprintError, ImageError
from debias_pt.features import time_limit as limits
from debias_pt.features.cache import FeatureCache
from debias_pt.features.encoding import encode_paths
from debias_pt.models.backbone import Backbone
from debias_pt.utils.files import read_json, read_tensors, write_tensors
from debias_pt.utils.hashing import content_hashes
from tests.faults.records import scale

KINDS = ("AVIF", "BMP", "DDS", "GIF", "ICO", "JPEG", "JPEG2000", "PCX", "PNG", "PPM", "SGI", "TGA", "TIFF", "WEBP")


def sources() -> dict[str, bytes]:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 36, 3), dtype=np.uint8)
    found = {}
    for kind in KINDS:
        data = io.BytesIO()
        try:
            Image.fromarray(pixels).save(data, kind)
        except (OSError, KeyError):  # this Pillow was built without it
            continue
        found[kind] = data.getvalue()
    return found


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Flip some bytes, near the start as often as anywhere; cut the end off now and then."""
    body = bytearray(data)
    for _ in range(rng.choice((1, 2, 4, 16))):
        body[rng.randrange(min(len(body), rng.choice((64, len(body)))))] = rng.randrange(256)
    return bytes(body[: rng.randrange(1, len(body))] if rng.random() < 0.2 else body)


def test_mutated_images(counted: Any, tmp_path: Path) -> None:
    rng, file = random.Random(0), tmp_path / "image"
    with counted(3, "mutated images: read as RGB, or an error that names the file") as row, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind, data in sources().items():
            for _ in range(scale(20, 360)):
                file.write_bytes(mutated(data, rng))
                try:
                    with limits.time_limit(str(file), 20):
                        assert open_rgb(file).mode == "RGB", kind
                except ImageError as error:
                    assert str(error).startswith(str(file))
                    assert "takes more than" not in str(error), kind
                row.survived()


def test_the_zoo_shifts_no_row(counted: Any, backbone: Backbone, tmp_path: Path) -> None:
    rgb = Image.fromarray(np.random.default_rng(1).integers(0, 255, (40, 36, 3), dtype=np.uint8))
    good = {"a.png": rgb, "cmyk.jpg": rgb.convert("CMYK"), "deep.png": Image.fromarray(np.full((9, 9), 999, np.uint16))}
    for name, image in good.items():
        image.save(tmp_path / name)
    rgb.save(tmp_path / "animated.gif", save_all=True, append_images=[rgb.rotate(90)])
    exif = Image.Exif()
    exif[0x0112] = 6
    rgb.save(tmp_path / "turned.jpg", exif=exif)
    rgb.save(tmp_path / "corrupt-exif.jpg", exif=b"Exif\0\0" + b"\xff" * 40)
    shutil.copy(tmp_path / "a.png", tmp_path / "png.jpg")
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "eps.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    (tmp_path / "bomb.png").write_bytes(bomb())
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    broken = {"bomb.png", "empty.png", "eps.png", "loop.png", "pipe.png", "text.png", "zero.png"}
    names = sorted(path.name for path in tmp_path.iterdir())
    paths = [str(tmp_path / name) for name in names]
    with counted(3, "bombs, pipes, devices, loops, EPS, wrong endings, EXIF, animations among good images") as row:
        bad: dict[int, str] = {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            features = encode_paths(backbone, paths, workers=0, bad=bad)
            alone = [encode_paths(backbone, [path]) for i, path in enumerate(paths) if i not in bad]
        assert {names[i] for i in bad} == broken
        assert torch.allclose(features, torch.cat(alone), atol=1e-6)
        hashed: dict[str, str] = {}
        content_hashes(tmp_path, names, tmp_path / "index", hashed)
        assert set(hashed) == {"loop.png", "pipe.png", "zero.png"}
        row.survived(len(names))


def bomb() -> bytes:
    """Return a PNG whose header promises 60,000 x 60,000 pixels."""
    import struct
    import zlib

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + head
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


def test_an_image_has_a_time_limit() -> None:
    with (
        pytest.raises(ImageError, match=r"a\.png: reading this image takes more than 0\.05 s"),
        limits.time_limit("a.png", 0.05),
    ):
        while True:
            pass


def test_flipped_bits(counted: Any, tmp_path: Path) -> None:
    rng = random.Random(1)
    tensors = {"context": torch.randn(2, 4, 24), "step": torch.tensor(3)}
    keys, fingerprint = [f"{i:02x}" * 32 for i in range(4)], {"model": "tiny"}
    with counted(4, "a flipped bit in a checkpoint, a prompt or a cache's shard: refused, or without effect") as row:
        for _ in range(scale(40, 500)):
            file = tmp_path / "one.safetensors"
            write_tensors(file, tensors, fingerprint)
            flip(file, rng)
            try:
                found, meta = read_tensors(file)
            except FingerprintError as error:
                assert str(error).startswith(str(file))
            else:
                same = all(torch.equal(found[name], tensors[name]) for name in set(found) & set(tensors))
                assert same
                assert set(found) != set(tensors) or meta != fingerprint or same
            cache = FeatureCache(tmp_path / "cache", fingerprint)
            features = np.random.default_rng(2).normal(size=(4, 24)).astype(np.float32)
            cache.add(keys, features)
            flip(next(cache.folder.glob("*.safetensors")), rng)
            try:
                rows = cache.read()
                if not rows.missing(keys):
                    assert np.array_equal(rows.gather(keys), features)
            except FingerprintError:
                pass
            row.survived(2)
            shutil.rmtree(tmp_path / "cache")


def flip(file: Path, rng: random.Random) -> None:
    body = bytearray(file.read_bytes())
    body[rng.randrange(len(body))] ^= 1 << rng.randrange(8)
    file.write_bytes(body)


def test_a_damaged_index_of_hashes_is_made_anew(counted: Any, tmp_path: Path) -> None:
    rng = random.Random(2)
    (tmp_path / "a.png").write_bytes(b"a")
    os.utime(tmp_path / "a.png", (1e9, 1e9))
    expected = content_hashes(tmp_path, ["a.png"], tmp_path / "index")
    with counted(4, "a flipped bit in the index of hashes: made anew") as row:
        for _ in range(scale(40, 500)):
            for index in (tmp_path / "index").glob("*.json"):
                flip(index, rng)
            assert content_hashes(tmp_path, ["a.png"], tmp_path / "index") == expected
            row.survived()


class Hostile:
    """A pickle of it makes a file when it is read."""

    def __init__(self, made: Path) -> None:
        self.made = made

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.made),)


@pytest.mark.parametrize("name", ["open_clip_pytorch_model.bin", "open_clip_pytorch_model.pth"])
@pytest.mark.parametrize("old", [True, False])
def test_no_checkpoint_runs_code(counted: Any, tiny_checkpoint: Path, tmp_path: Path, name: str, old: bool) -> None:
    shutil.copy(tiny_checkpoint / "open_clip_config.json", tmp_path)
    torch.save({"x": Hostile(tmp_path / "made")}, tmp_path / name, _use_new_zipfile_serialization=not old)
    with counted(4, f"a checkpoint {Path(name).suffix} whose pickle would run code: refused") as row:
        with pytest.raises(BackboneError):
            Backbone.load(f"local-dir:{tmp_path}")
        assert not (tmp_path / "made").exists()
        row.survived()
    torch.load(tmp_path / name, weights_only=False)
    assert (tmp_path / "made").is_dir()  # it would have worked


PARTS = ["image,label\n", "a.png,cat\n", '"', "\0", '{"image":', "[" * 3000, "1e999", "\ud800"]
TABLES = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=200).map(lambda text: text.encode(errors="surrogatepass")),
    st.lists(
        st.sampled_from(["image,label\n", "a.png,cat\n", '"', "\0", '{"image":', "[" * 3000, "1e999", "\ud800"]),
        max_size=9,
    ).map(lambda parts: "".join(parts).encode(errors="surrogatepass")),
)


@settings(max_examples=scale(60, 1500))
@given(TABLES, st.sampled_from([".csv", ".tsv", ".jsonl", ".parquet"]))
def test_tables_are_read_or_refused(data: bytes, ending: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"table{ending}")
        file.write_bytes(data)
        for read in (read_table, read_json):
            try:
                read(file)
            except DebiasError as error:
                assert str(error).startswith(str(file))


@pytest.mark.parametrize(
    ("text", "message"),
    [("image,label,label\na,b,c\n", "two columns are called 'label'"), ("image,label\na.png\n", "row 1 has 1 cells")],
)
def test_nothing_in_a_table_hides_another_thing(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DebiasError, match=message):
        read_table(tmp_path / "t.csv")


def test_nested_cells_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"image": "a.png", "label": ["cat"]}\n')
    with pytest.raises(DebiasError, match="row 1 has a list in column 'label'; text or a number expected"):
        read_table(tmp_path / "t.jsonl")


def test_the_same_tensors_are_the_same_bytes(tmp_path: Path) -> None:
    """In several processes too: the package would put the metadata in any order."""
    code = "import sys, torch; from pathlib import Path; from debias_pt.utils.files import write_tensors\n"
    code += "write_tensors(Path(sys.argv[1]), {'a': torch.ones(3), 'b': torch.ones(2, 2)}, {'model': 'tiny'})"
    for i in range(3):
        subprocess.run([sys.executable, "-c", code, str(tmp_path / str(i))], check=True)
    assert len({(tmp_path / str(i)).read_bytes() for i in range(3)}) == 1
    assert read_tensors(tmp_path / "0")[1] == {"model": "tiny"}
