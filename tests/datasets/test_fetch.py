"""Promises: whatever the server does, a fetched data set is complete or not there; what is wrong is not kept; terms
and size are said before anything is downloaded."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.filesize import decimal

from debias_pt.datasets import DATASETS, load_dataset
from debias_pt.datasets.download.fetch import Fetched
from debias_pt.datasets.named.waterbirds import ARCHIVE, COUNTS, TERMS, URL
from debias_pt.datasets.wilds_reader import no_update_check
from debias_pt.errors import DatasetError, FetchError, OutputError, UsageError
from debias_pt.workflows.fetch import fetch as job
from tests.helpers.http_server import (
    CONTENT,
    OTHER,
    WHOLE,
    Mirror,
    get,
    left,
    require_content,
    special,
    tar,
    tree,
    zipped,
)
from tests.helpers.signals import heed_interrupts
from tests.helpers.tiny_data import FOLDER, SIZES, write_waterbirds


@pytest.mark.parametrize(
    "body",
    [WHOLE, tar(CONTENT), tar(CONTENT, gz=False), tar(CONTENT, top="./"), zipped(CONTENT), zipped(CONTENT, top="x/")],
    ids=["tar.gz in a folder", "tar.gz", "tar", "tar.gz with dots", "zip", "zip in a folder"],
)
def test_a_fetched_set_is_complete_and_alone(mirror: Mirror, tmp_path: Path, body: bytes) -> None:
    mirror.body = body
    known = {"metadata.csv": hashlib.sha256(CONTENT["metadata.csv"]).hexdigest()}
    found = get(mirror, tmp_path / "new", size=len(body), sha256=hashlib.sha256(body).hexdigest(), files=known)
    assert found == Fetched(str(tmp_path / "new" / "birds_v1"), len(body), 0, 1, False)
    assert tree(tmp_path / "new" / "birds_v1") == CONTENT
    assert left(tmp_path / "new") == ["birds_v1"]
    again = get(mirror, tmp_path / "new", files=known)
    assert again == Fetched(found.folder, 0, 0, 1, True)
    assert mirror.asked == [None]


def test_a_finished_part_needs_no_network(mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("shutil.copyfileobj", full)
        with pytest.raises(OutputError, match=r"cannot unpack here \(No space left on device\); free some space"):
            get(mirror, tmp_path)
    assert left(tmp_path) == [".birds_v1.part", ".birds_v1.part.json"]
    assert get(mirror, tmp_path).resumed_from == len(WHOLE)
    assert len(mirror.asked) == 1


@pytest.mark.parametrize(
    ("known", "message"),
    [
        ({"size": 7}, rf"the file there has {len(WHOLE)} bytes, the published one 7"),
        ({"sha256": "0" * 64}, rf"SHA-256 is {hashlib.sha256(WHOLE).hexdigest()}, the published archive has 0000"),
        ({"files": {"metadata.csv": "0" * 64}}, r"birds_v1/metadata\.csv: SHA-256 is [0-9a-f]{64}, the published file"),
        ({"files": {"LICENCE": "0" * 64}}, r"birds_v1/LICENCE: is missing"),
    ],
)
def test_what_is_not_the_published_archive_is_not_kept(
    mirror: Mirror, tmp_path: Path, known: dict[str, Any], message: str
) -> None:
    with pytest.raises(FetchError, match=f"^{mirror.url}: .*{message}.*; or download it by hand and unpack it to "):
        get(mirror, tmp_path, **known)
    assert left(tmp_path) == []


def test_a_size_that_shows_only_at_the_end(mirror: Mirror, tmp_path: Path) -> None:
    mirror.chunked = True
    with pytest.raises(FetchError, match=f"{len(WHOLE)} bytes came, but the published archive has 7"):
        get(mirror, tmp_path, size=7)
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html>We have moved.</html>", r"not a tar or zip file .*begins with b'<html>We have moved"),
        (b"", r"damaged or not a tar or zip file"),
        (WHOLE[:-4], r"damaged or not a tar or zip file \(Compressed file ended"),
        (WHOLE[:-6] + b"!!" + WHOLE[-4:], r"damaged or not a tar or zip file \(CRC check failed"),
        (zipped(CONTENT)[:-40], r"damaged or not a tar or zip file \(File is not a zip file"),
        (tar({**CONTENT, "../evil": b"x"}), r"'\.\./evil' in the archive leads out of its folder"),
        (tar({**CONTENT, "images/../../evil": b"x"}), r"leads out of its folder"),
        (tar({**CONTENT, "/tmp/evil": b"x"}), r"'/tmp/evil' in the archive leads out of its folder"),
        (tar({**CONTENT, "C:\\evil": b"x"}), r"leads out of its folder"),
        (zipped({**CONTENT, "../evil": b"x"}), r"leads out of its folder"),
        (tar({"l": special("l", tarfile.SYMTYPE, "/etc/passwd")}), r"'/etc/passwd' in the archive leads out"),
        (tar({"l": special("a/l", tarfile.SYMTYPE, "../../evil")}), r"'\.\./evil' in the archive leads out"),
        (tar({"l": special("l", tarfile.LNKTYPE, "../evil")}), r"'\.\./evil' in the archive leads out"),
        (tar({"l": special("l", tarfile.SYMTYPE, "nowhere")}), r"'l' in the archive is a link to 'nowhere'"),
        (tar({"p": special("p", tarfile.FIFOTYPE)}), r"'p' in the archive is a device or pipe"),
        (tar({"d": special("d", tarfile.CHRTYPE)}), r"'d' in the archive is a device or pipe"),
    ],
)
def test_garbage_and_evil_archives_leave_nothing(mirror: Mirror, tmp_path: Path, body: bytes, message: str) -> None:
    mirror.body = body
    with pytest.raises(FetchError, match=f"{message}.*; or download it by hand"):
        get(mirror, tmp_path / "data")
    assert left(tmp_path / "data") == []
    assert left(tmp_path) == ["data"]


BEHAVIOUR = st.fixed_dictionaries(
    {
        "body": st.sampled_from([WHOLE, WHOLE, OTHER, WHOLE[:-5], b"<html>"]),
        "status": st.sampled_from([200, 200, 200, 404, 503]),
        "ranges": st.booleans(),
        "honest": st.booleans(),
        "chunked": st.booleans(),
        "etag": st.sampled_from([None, '"1"', '"2"', 'W/"1"']),
        "modified": st.sampled_from([None, "Mon, 01 Jan 2024 00:00:00 GMT"]),
        "cuts": st.lists(st.integers(0, len(WHOLE)), max_size=7),
    }
)


@given(behaviours=st.lists(BEHAVIOUR, min_size=1, max_size=3))
def test_whatever_happens_the_set_is_complete_or_not_there(server: Mirror, behaviours: list[dict[str, Any]]) -> None:
    root = Path(tempfile.mkdtemp())
    try:
        for behaviour in behaviours:
            vars(server.reset(WHOLE)).update(behaviour, cuts=list(behaviour["cuts"]))
            with contextlib.suppress(FetchError):
                get(server, root)
            if (root / "birds_v1").exists():
                require_content(root)
            assert set(left(root)) <= {"birds_v1", ".birds_v1.part", ".birds_v1.part.json"}
        server.reset(WHOLE).etag = '"3"'
        try:
            get(server, root)
        except FetchError:  # a part of another file, with nothing to tell them by: noticed, and not kept
            assert left(root) == []
            get(server, root)
        assert left(root) == ["birds_v1"]
        require_content(root)
    finally:
        shutil.rmtree(root)


def test_a_disk_that_is_too_small_is_refused_first(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=2 * len(WHOLE) - 1)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with pytest.raises(OutputError, match=rf"{usage.free} bytes are free, about {2 * len(WHOLE)} are needed"):
        get(mirror, tmp_path)
    assert left(tmp_path) == []
    usage = usage._replace(free=2 * len(WHOLE))
    assert get(mirror, tmp_path).bytes == len(WHOLE)


def test_a_read_only_root_is_refused(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot create this folder"):
        get(mirror, tmp_path / "file")
    assert mirror.asked == []


def test_two_at_once_fetch_once(mirror: Mirror, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: get(mirror, tmp_path), range(2)))
    assert sorted(one.already_there for one in found) == [False, True]
    assert mirror.asked == [None]


def test_a_folder_in_the_way_is_left_alone(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / "birds_v1").mkdir()
    (tmp_path / "birds_v1" / "mine").write_text("precious")
    with pytest.raises(DatasetError, match="not what was packed"):
        get(mirror, tmp_path)
    with pytest.raises(DatasetError, match=r"metadata\.csv: is missing; move .*birds_v1 away and fetch again"):
        get(mirror, tmp_path, lambda parent: None, files={"metadata.csv": "0" * 64})
    assert left(tmp_path) == ["birds_v1"]
    assert mirror.asked == []


@pytest.mark.parametrize(("size", "said"), [(None, "size not published"), (len(WHOLE), decimal(len(WHOLE)))])
def test_terms_and_size_are_said_before_anything_is_asked_for(
    mirror: Mirror, tmp_path: Path, caplog: pytest.LogCaptureFixture, size: int | None, said: str
) -> None:
    mirror.status = 404
    with pytest.raises(FetchError):
        get(mirror, tmp_path, size=size)
    assert caplog.messages == [f"birds_v1: free to use\nfetching {mirror.url} ({said})"]


def test_waterbirds_comes_from_where_wilds_gets_it() -> None:
    with no_update_check():
        from wilds.datasets.waterbirds_dataset import WaterbirdsDataset

    version = WaterbirdsDataset._versions_dict["1.0"]
    assert version["download_url"] == URL == ARCHIVE.url
    assert version["compressed_size"] is ARCHIVE.size is None


@pytest.fixture
def small(mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mirror:
    """The small Waterbirds of the tests as if it were the published one."""
    content = tree(write_waterbirds(tmp_path / "source") / FOLDER)
    mirror.body = tar(content, top=f"{FOLDER}/")
    for split, sizes in SIZES.items():
        monkeypatch.setitem(COUNTS, split, sizes)
    source = DATASETS["waterbirds"]
    known = {"metadata.csv": hashlib.sha256(content["metadata.csv"]).hexdigest()}
    archive = dataclasses.replace(ARCHIVE, url=mirror.url, files=known)
    card = dataclasses.replace(source.card, archive=archive)
    monkeypatch.setitem(DATASETS, "waterbirds", dataclasses.replace(source, card=card))
    return mirror


def test_load_dataset_downloads_what_is_not_there(
    small: Mirror, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert len(load_dataset("waterbirds", tmp_path / "data", download=True)) == 90
    assert TERMS in caplog.text
    assert len(load_dataset("waterbirds", tmp_path / "data", download=True)) == 90
    assert small.asked == [None]


def test_data_fetch_says_what_it_did(small: Mirror, tmp_path: Path) -> None:
    folder = str(tmp_path / "data" / FOLDER)
    shared = {"dataset": "waterbirds", "synthetic": False, "terms": TERMS, "folder": folder, "files_checked": 1}
    fetched = {"bytes": len(small.body), "resumed_from": 0, "already_there": False}
    assert job("waterbirds", tmp_path / "data") == {**shared, **fetched}
    assert job("waterbirds", tmp_path / "data") == {**shared, "bytes": 0, "resumed_from": 0, "already_there": True}


@pytest.mark.parametrize("wrong", ["counts", "images"])
def test_a_waterbirds_that_is_not_whole_is_not_kept(
    small: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    if wrong == "counts":
        monkeypatch.setitem(COUNTS, "val", (1, 2, 3, 4))
    else:
        content = tree(tmp_path / "source" / FOLDER)
        small.body = tar({name: data for name, data in content.items() if not name.endswith("train_3_4.jpg")})
    message = {
        "counts": r": val has groups \(6, 5, 4, 5\), published are \(1,",
        "images": ": 1 of 90 images are missing",
    }
    with pytest.raises(FetchError, match=rf"the download is not the published data set: {FOLDER}{message[wrong]}"):
        job("waterbirds", tmp_path / "data")
    assert left(tmp_path / "data") == []


def test_what_cannot_be_fetched_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="waterbirds-mini: is built in, nothing to fetch") as seen:
        job("waterbirds-mini", tmp_path)
    assert seen.value.exit_code == 2
    source = DATASETS["waterbirds"]
    card = dataclasses.replace(source.card, archive=None)
    monkeypatch.setitem(DATASETS, "waterbirds", dataclasses.replace(source, card=card))
    with pytest.raises(UsageError, match="cannot be downloaded automatically; get it by hand: CUB-200"):
        job("waterbirds", tmp_path)


def test_the_command_fails_in_one_line(mirror: Mirror, cli: Any, tmp_path: Path) -> None:
    mirror.body = b"<html>We have moved.</html>"
    words = ["data", "fetch", "waterbirds", "--url", mirror.url, "--data-root", tmp_path, "--json"]
    run = cli(*words, env={"no_proxy": "127.0.0.1"})
    assert run.returncode == 1
    assert run.stdout == ""
    terms, fetching, error = run.stderr.splitlines()
    assert terms == f"{FOLDER}: {TERMS}"
    assert fetching == f"fetching {mirror.url} (size not published)"
    assert error.startswith(f"error: {mirror.url}: the download is damaged or not a tar or zip file")
    assert left(tmp_path) == []


def test_an_interrupted_command_keeps_what_came(mirror: Mirror, tmp_path: Path) -> None:
    mirror.stall, mirror.cuts = threading.Event(), [12_345]
    words = ["data", "fetch", "waterbirds", "--url", mirror.url, "--data-root", str(tmp_path)]
    part = tmp_path / f".{FOLDER}.part"
    command = [sys.executable, "-m", "debias_pt", *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts) as process:
        while process.poll() is None and not (part.exists() and part.stat().st_size >= 12_345):
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    mirror.stall.set()
    assert process.returncode == 130
    assert errors.splitlines()[-1].startswith("error: interrupted; what was encoded or downloaded is kept")
    assert part.read_bytes() == WHOLE[:12_345]
    assert left(tmp_path) == [part.name, f"{part.name}.json"]


@pytest.mark.realdata
def test_the_command_fetches_the_published_waterbirds(mirror: Mirror, cli: Any, assets: Path, tmp_path: Path) -> None:
    """The official table, with an empty file for every photograph, since only their presence is checked."""
    table = (assets / FOLDER / "metadata.csv").read_bytes()
    names = [line.split(",")[1] for line in table.decode().splitlines()[1:]]
    mirror.body = tar({"metadata.csv": table, **dict.fromkeys(names, b"")}, top=f"{FOLDER}/")
    mirror.cuts = [len(mirror.body) // 2, 0, 0, 0]
    with pytest.raises(FetchError, match="run the same command to resume"):
        job("waterbirds", tmp_path, url=mirror.url)
    words = ["data", "fetch", "waterbirds", "--url", mirror.url, "--data-root", tmp_path, "--json"]
    run = cli(*words, env={"no_proxy": "127.0.0.1"})
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    assert (result["resumed_from"], result["bytes"]) == (len(mirror.body) // 2, len(mirror.body))
    assert (result["files_checked"], result["already_there"]) == (1, False)
    assert len(load_dataset("waterbirds", tmp_path)) == 11_788
    assert left(tmp_path) == [FOLDER]


@pytest.mark.realdata
def test_the_real_waterbirds_is_there(assets: Path) -> None:
    assert job("waterbirds", assets)["already_there"] is True
