"""Promises: tar shards are a data set like a folder: the same features, the same cache; each shard is read once, then
remembered; a shard that is cut anywhere, or holds a bad file, is one line that names both; nothing is skipped."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from debias_pt.cli.main import main
from debias_pt.datasets import CustomData, ImageDataset, load_dataset
from debias_pt.datasets.image_files import gather
from debias_pt.datasets.shards import index
from debias_pt.datasets.shards.members import members
from debias_pt.datasets.thumbnails import thumbnail
from debias_pt.errors import DatasetError, ImageError
from debias_pt.features.encoding import encode_with_stats
from debias_pt.models.backbone import Backbone
from debias_pt.utils.hashing import content_hashes
from tests.helpers.http_server import special, tar
from tests.helpers.store_servers import web
from tests.helpers.tiny_data import FOLDER

pytest.importorskip("webdataset")
BIRDS = CustomData(class_names=("0=landbird", "1=waterbird"), attribute_columns=("place",))


@pytest.fixture
def birds(waterbirds_root: Path) -> ImageDataset:
    return load_dataset("waterbirds", waterbirds_root, check_counts=False)


def sample(birds: ImageDataset, row: int) -> dict[str, bytes]:
    name = f"{row:04d}"
    place = birds.attributes["background"].values[birds.attributes["background"].labels[row]]
    return {
        f"{name}.jpg": Path(birds.path(birds.ids[row])).read_bytes(),
        f"{name}.cls": str(birds.y[row]).encode(),
        f"{name}.json": json.dumps({"place": place, "part": str(birds.split[row])}).encode(),
    }


def pack(birds: ImageDataset, folder: Path, size: int = 20) -> Path:
    """Write the tiny Waterbirds as shards in order, with webdataset's own writer."""
    from webdataset import TarWriter

    folder.mkdir(parents=True, exist_ok=True)
    for number in range(-(-len(birds) // size)):
        with TarWriter(str(folder / f"birds-{number:02d}.tar")) as writer:
            for row in range(number * size, min((number + 1) * size, len(birds))):
                files = sample(birds, row)
                plain = {
                    name.partition(".")[2]: json.loads(data) if name.endswith("json") else data
                    for name, data in files.items()
                }
                writer.write({"__key__": f"{row:04d}", **plain})
    return folder


def write(path: Path, *contents: Mapping[str, Any]) -> Path:
    path.write_bytes(tar({name: data for content in contents for name, data in content.items()}, gz=False))
    return path


def test_shards_are_the_folder_again(birds: ImageDataset, backbone: Backbone, tmp_path: Path) -> None:
    expected, _ = encode_with_stats(backbone, birds, cache_dir=tmp_path, workers=0)
    pack(birds, tmp_path / "shards")
    own = CustomData(class_names=BIRDS.class_names, attribute_columns=("place",), split_column="part")
    packed = load_dataset(str(tmp_path / "shards" / "birds-{00..04}.tar"), own=own, cache_dir=tmp_path)
    assert packed.name == "birds"
    assert packed.ids[:2] == ("birds-00.tar/0000.jpg", "birds-00.tar/0001.jpg")
    assert packed.class_names == birds.class_names
    assert (packed.y == birds.y).all()
    assert (packed.split == birds.split).all()
    assert (packed.attributes["place"].labels == birds.attributes["background"].labels).all()
    table, stats = encode_with_stats(backbone, packed, cache_dir=tmp_path, workers=0)
    assert stats.encoded == 0  # the same content is in the cache
    assert (table.features == expected.features).all()
    table, stats = encode_with_stats(backbone, packed, cache_dir=tmp_path / "new", workers=2)
    assert stats.encoded == len(birds)
    assert (table.features == expected.features).all()


def test_shards_in_a_store_are_streamed_once_and_read_in_batches(
    birds: ImageDataset, backbone: Backbone, tmp_path: Path
) -> None:
    expected, _ = encode_with_stats(backbone, birds, cache_dir=tmp_path / "here", workers=0)
    with web(pack(birds, tmp_path / "shards")) as store:
        where = f"{store.url}/birds-{{00..04}}.tar"
        store.faults += ["cut", 503, "reset"]
        packed = load_dataset(where, own=BIRDS, cache_dir=tmp_path)
        assert store.count("GET", ".tar") == 5 + 3  # each once, and three faults
        store.asked.clear()
        again = load_dataset(where, own=BIRDS, cache_dir=tmp_path)
        assert store.count("GET", ".tar") == 0
        assert again.ids == packed.ids
        store.faults += [503, "cut", "reset"]
        table, _ = encode_with_stats(backbone, packed, cache_dir=tmp_path, workers=0)
        assert (table.features == expected.features).all()
        store.asked.clear()
        store.ranges = False
        plain, _ = encode_with_stats(backbone, packed.rows(range(4)), cache_dir=tmp_path / "third", workers=0)
        assert (plain.features == expected.features[:4]).all()


def test_images_side_by_side_are_one_request(birds: ImageDataset, tmp_path: Path) -> None:
    from debias_pt.utils.stores.read_many import read_together

    with web(pack(birds, tmp_path / "shards")) as store:
        packed = load_dataset(f"{store.url}/birds-{{00..01}}.tar", own=BIRDS, cache_dir=tmp_path)
        store.asked.clear()
        found = read_together([packed.path(name) for name in reversed(packed.ids)])
        assert found == [Path(birds.path(name)).read_bytes() for name in reversed(birds.ids[:40])]
        assert store.count("GET") == 2


def test_a_shard_cut_anywhere_is_told(birds: ImageDataset, tmp_path: Path) -> None:
    whole = write(tmp_path / "a.tar", *(sample(birds, row) for row in range(3)))
    size = whole.stat().st_size
    names = [one.name for one in members(str(whole))]
    ends = [one.start + len(one.content) for one in members(str(whole))]
    end_of_data = -(-ends[-1] // 512) * 512
    with open(whole, "rb") as file:
        data = file.read()
    cut = tmp_path / "cut.tar"
    for length in [
        *range(0, end_of_data + 1, 256),
        *(end - 1 for end in ends),
        *(one - 1 for one in range(512, end_of_data, 1024)),
    ]:
        cut.write_bytes(data[:length])
        with pytest.raises(DatasetError, match="cut.tar: cut or damaged .*; copy this shard again") as caught:
            list(members(str(cut)))
        begun = [name for name, end in zip(names, ends, strict=True) if length > end]
        assert not begun or any(repr(name) in str(caught.value) for name in names[len(begun) - 1 : len(begun) + 1])
    cut.write_bytes(data[: end_of_data + 512])  # the mark of the end begins
    assert len(list(members(str(cut)))) == len(names)
    assert size > end_of_data


def test_a_damaged_header_is_told(birds: ImageDataset, tmp_path: Path) -> None:
    path = write(tmp_path / "a.tar", sample(birds, 0), sample(birds, 1))
    second = next(one.start for one in members(str(path)) if one.name == "0001.jpg") - 512
    data = bytearray(path.read_bytes())
    data[second + 10] ^= 1
    path.write_bytes(data)
    with pytest.raises(DatasetError, match=r"a.tar: cut or damaged in or after '0000.json' \(bad checksum\)"):
        load_dataset(path, cache_dir=tmp_path)


def test_a_bad_shard_spares_the_others(birds: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "RACY_NS", 0)
    folder = pack(birds, tmp_path / "shards")
    whole = (folder / "birds-03.tar").read_bytes()
    (folder / "birds-03.tar").write_bytes(whole[:9000])
    with pytest.raises(DatasetError, match="birds-03.tar: cut or damaged in or after '006[0-9].json'"):
        load_dataset(str(folder / "birds-{00..04}.tar"), own=BIRDS, cache_dir=tmp_path)
    (folder / "birds-03.tar").write_bytes(whole)
    read: list[str] = []
    monkeypatch.setattr(index, "members", lambda shard: read.append(Path(shard).name) or members(shard))
    assert len(load_dataset(str(folder / "*.tar"), own=BIRDS, cache_dir=tmp_path)) == len(birds)
    assert "birds-03.tar" in read
    assert "birds-00.tar" not in read


def test_a_bad_image_is_named_or_left_out(birds: ImageDataset, backbone: Backbone, tmp_path: Path) -> None:
    bad = {"0002.jpg": b"no image", "0002.cls": b"1"}
    path = write(tmp_path / "a.tar", *(sample(birds, row) for row in range(0, 80, 4)), bad)
    own = CustomData(class_names=BIRDS.class_names)
    packed = load_dataset(path, own=own, cache_dir=tmp_path)
    with pytest.raises(ImageError, match=r"a.tar/0002.jpg: cannot read this image \(no known format\)"):
        encode_with_stats(backbone, packed, cache_dir=tmp_path, workers=0)
    with pytest.warns(UserWarning, match=r"a.tar/0002.jpg"):
        table, stats = encode_with_stats(backbone, packed, cache_dir=tmp_path, workers=0, skip_bad=True)
    assert (len(table), stats.encoded) == (20, 0)


def test_splits_by_the_shards_names(birds: ImageDataset, tmp_path: Path) -> None:
    for split, rows in {"train": range(0, 48, 4), "val": range(48, 68, 2), "test": range(68, 90, 2)}.items():
        write(tmp_path / f"birds-{split}-0.tar", *(sample(birds, row) for row in rows))
    packed = load_dataset(str(tmp_path / "birds-{train,val,test}-0.tar"), own=BIRDS, cache_dir=tmp_path)
    assert {split: int((packed.split == split).sum()) for split in ("train", "val", "test")} == {
        "train": 12, "val": 10, "test": 11,
    }  # fmt: skip
    write(tmp_path / "more.tar", sample(birds, 1))
    with pytest.raises(DatasetError, match="some shards are named after splits and others are not, such as .*more.tar"):
        load_dataset(f"{tmp_path}/birds-train-0.tar::{tmp_path}/more.tar", own=BIRDS, cache_dir=tmp_path)


def image(birds: ImageDataset) -> bytes:
    return Path(birds.path(birds.ids[0])).read_bytes()


@pytest.mark.parametrize(
    ("files", "line"),
    [
        ({"a.cls": b"0"}, r"the sample 'a' has no image, one expected \(cls\)"),
        ({"a.jpg": None, "a.png": None, "a.cls": b"0"}, r"the sample 'a' has 2 images \(a.jpg, a.png\), one expected"),
        ({"a.jpg": None}, r"no label beside the images \(label, .*, cls, txt looked for\); there is nothing"),
        ({"a.jpg": None, "a.kind": b"0"}, "there is kind: name it with --label-column"),
        ({"a.jpg": None, "a.cls": b""}, "a.tar: the sample a.tar/a.jpg has nothing in column 'cls'"),
        ({"a.jpg": None, "a.json": b"{"}, "a.tar: 'a.json' is not valid JSON"),
        ({"a.jpg": None, "a.JPG": None, "a.cls": b"0"}, "a.tar: a.JPG: duplicate file name in tar file jpg"),
        ({"a.jpg": special("a.jpg", tarfile.SYMTYPE, "/etc/passwd")}, "'a.jpg' is a link or device; only files"),
        ({}, "a.tar: holds no sample"),
    ],
)
def test_what_is_wrong_takes_one_line(birds: ImageDataset, tmp_path: Path, files: dict[str, Any], line: str) -> None:
    path = write(tmp_path / "a.tar", {name: image(birds) if data is None else data for name, data in files.items()})
    with pytest.raises(DatasetError, match=line) as caught:
        load_dataset(path, cache_dir=tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("none.tar", r"none.tar: no such shard \(No such file or directory\)"),
        ("none-*.tar", r"none-\*.tar: no shard of this name"),
        ("a.tar::a.tar", "names the shard a.tar twice"),
    ],
)
def test_shards_that_are_not_there(name: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatasetError, match=line):
        load_dataset(name)
    with pytest.raises(DatasetError, match="--image-column is for tables"):
        load_dataset(name, own=CustomData(image_column="x"))


def run(words: Sequence[object]) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


def test_train_and_predict_from_shards(
    birds: ImageDataset, tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shards = pack(birds, tmp_path / "shards") / "birds-{00..04}.tar"
    model = ("--pretrained", f"local-dir:{tiny_checkpoint}")
    own = ("--class-name", "0=landbird", "--class-name", "1=waterbird", "--attribute-column", "place")
    where = ("--cache-dir", tmp_path / "cache", "--workers", 0, "--out", tmp_path / "run")
    fit = ("--split-column", "part", "--method", "erm", "--no-baselines", "--steps", 3)
    assert run(["train", shards, *own, *model, *where, *fit]) == 0
    assert json.loads((tmp_path / "run" / "config.json").read_text())["dataset"] == str(shards)
    capsys.readouterr()
    assert run(["predict", tmp_path / "run", tmp_path / "shards" / "birds-04.tar", *model, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["images"]
    assert [row["id"] for row in rows] == [f"{tmp_path}/shards/birds-04.tar/{row:04d}.jpg" for row in range(80, 90)]
    packed = gather([str(shards)])[0]
    assert [thumbnail(path, 16) for path in packed[:3]] == [thumbnail(birds.path(name), 16) for name in birds.ids[:3]]


def test_members_are_what_tarfile_reads(birds: ImageDataset, tmp_path: Path) -> None:
    path = write(tmp_path / "a.tar", sample(birds, 0), {f"{'long' * 60}/b.jpg": image(birds)})
    with tarfile.open(path) as archive:
        expected = [
            (one.name, one.offset_data, io.BytesIO(archive.extractfile(one).read()).getvalue()) for one in archive
        ]  # type: ignore[union-attr]
    assert [tuple(one) for one in members(str(path))] == expected


def test_the_keys_are_hashes_of_the_content(birds: ImageDataset, tmp_path: Path) -> None:
    packed = load_dataset(str(pack(birds, tmp_path / "shards") / "birds-{00..04}.tar"), own=BIRDS, cache_dir=tmp_path)
    assert [packed.keys[name] for name in packed.ids] == content_hashes(birds.root, birds.ids, tmp_path)  # type: ignore[arg-type]
    assert FOLDER in str(birds.root)
