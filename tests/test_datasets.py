"""Promises: Waterbirds is read whole or refused with what is wrong; a failed download leaves nothing behind."""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from debias_pt.datasets import load_dataset
from debias_pt.datasets.waterbirds import COUNTS
from debias_pt.errors import DatasetError, UnknownNameError

from .worlds import FOLDER, SIZES, write_waterbirds


def test_rows_classes_splits_and_places(waterbirds_root: Path) -> None:
    dataset = load_dataset("waterbirds", waterbirds_root, check_counts=False)
    assert len(dataset) == sum(map(sum, SIZES.values()))
    assert dataset.class_names == ("landbird", "waterbird")
    assert dataset.attributes["background"].values == ("land", "water")  # WILDS pads these names
    group = dataset.y * 2 + dataset.attributes["background"].labels
    for split, sizes in SIZES.items():
        assert tuple(np.bincount(group[dataset.split == split])) == sizes
    assert all((dataset.root / name).is_file() for name in dataset.ids)


def test_unknown_data_set_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="unknown data set 'waterbird' \\(did you mean 'waterbirds'"):
        load_dataset("waterbird")


def test_no_data_at_the_root(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no such folder; give --data-root the folder that holds waterbirds_v1\.0"):
        load_dataset("waterbirds", tmp_path / "none")
    with pytest.raises(DatasetError, match=r"waterbirds_v1\.0: not there; .*--download"):
        load_dataset("waterbirds", tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("download", [False, True])
def test_a_folder_left_by_a_failed_download_is_named(tmp_path: Path, download: bool) -> None:
    (tmp_path / FOLDER).mkdir()
    with pytest.raises(DatasetError, match=r"has no metadata\.csv, perhaps a download that failed; remove this folder"):
        load_dataset("waterbirds", tmp_path, download=download)


def test_other_counts_than_published_are_refused(data_root: Path) -> None:
    with pytest.raises(DatasetError, match=r"train has groups \(24, 6, 5, 13\), published are \(3498, 184, 56, 1057\)"):
        load_dataset("waterbirds", data_root)


def test_a_missing_image_is_named_with_its_row(data_root: Path) -> None:
    dataset = load_dataset("waterbirds", data_root, check_counts=False)
    for row in (4, 9):
        (dataset.root / dataset.ids[row]).unlink()
    with pytest.raises(DatasetError, match=f"2 of 90 images are missing, first row 5, '{dataset.ids[4]}'"):
        load_dataset("waterbirds", data_root, check_counts=False)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("img_filename", "file", "not Waterbirds' metadata .*img_filename"),
        (",0,0,0,", ",0,7,0,", "not Waterbirds' metadata"),
        (",0,0,0,", ",0,0,5,", "row 1 has place 5; 0 or 1 expected"),
        (",0,0,0,", ",3,0,0,", "row 1 has y 3; 0 or 1 expected"),
        (",0,0,0,", ",bird,0,0,", "not Waterbirds' metadata"),
    ],
)
def test_broken_metadata_is_refused(data_root: Path, old: str, new: str, message: str) -> None:
    file = data_root / FOLDER / "metadata.csv"
    file.write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(DatasetError, match=message):
        load_dataset("waterbirds", data_root, check_counts=False)


def test_an_empty_metadata_file_is_refused(data_root: Path) -> None:
    (data_root / FOLDER / "metadata.csv").write_text("")
    with pytest.raises(DatasetError, match="not Waterbirds' metadata"):
        load_dataset("waterbirds", data_root, check_counts=False)


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    """WILDS' source, on this machine: serves ``archive`` or breaks off."""
    from wilds.datasets.waterbirds_dataset import WaterbirdsDataset

    served: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = served["archive"]
            self.send_response(200)
            self.send_header("Content-Length", str(int(served.get("length", str(len(body)).encode()))))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    versions = {"1.0": {"download_url": f"http://127.0.0.1:{server.server_port}/blob/", "compressed_size": None}}
    monkeypatch.setattr(WaterbirdsDataset, "_versions_dict", versions)
    yield served
    server.shutdown()
    server.server_close()


def archive(folder: Path) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        for file in sorted(folder.rglob("*")):
            tar.add(file, arcname=str(file.relative_to(folder)), recursive=False)
    return data.getvalue()


@pytest.mark.filterwarnings("ignore")  # WILDS' own downloader
def test_download_checks_what_arrived_and_then_renames(
    mirror: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror["archive"] = archive(write_waterbirds(tmp_path / "source") / FOLDER)
    with pytest.raises(DatasetError, match="published are"):
        load_dataset("waterbirds", tmp_path / "data", download=True)
    assert not list((tmp_path / "data").iterdir())
    for split, sizes in SIZES.items():
        monkeypatch.setitem(COUNTS, split, sizes)
    dataset = load_dataset("waterbirds", tmp_path / "data", download=True)
    assert len(dataset) == 90
    assert [path.name for path in (tmp_path / "data").iterdir()] == [FOLDER]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("broken", ["garbage", "cut"])
def test_a_failed_download_is_an_error_and_leaves_nothing(
    mirror: dict[str, bytes], tmp_path: Path, broken: str
) -> None:
    whole = archive(write_waterbirds(tmp_path / "source") / FOLDER)
    mirror["archive"] = b"<html>moved</html>" if broken == "garbage" else whole[: len(whole) // 2]
    if broken == "cut":
        mirror["length"] = str(len(whole)).encode()
    with pytest.raises(DatasetError, match="the download failed, nothing usable came"):
        load_dataset("waterbirds", tmp_path / "data", download=True)
    assert not list((tmp_path / "data").iterdir())
