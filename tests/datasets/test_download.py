"""Promises: what broke off is gone on with, in the same call and in a later one; two versions are never mixed."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from debias_pt.datasets.download import http as download
from debias_pt.datasets.download.archive import Archive
from debias_pt.datasets.download.fetch import Fetched, fetch
from debias_pt.errors import FetchError, UsageError
from debias_pt.utils import progress
from tests.helpers.http_server import OTHER, WHOLE, Mirror, get, left, require_content, serving


@pytest.mark.parametrize("chunked", [False, True])
def test_a_break_off_is_gone_on_with_in_the_same_call(mirror: Mirror, tmp_path: Path, chunked: bool) -> None:
    mirror.cuts, mirror.chunked = [12_345, 10_000], chunked
    assert get(mirror, tmp_path).resumed_from == 0
    assert mirror.asked == [None, "bytes=12345-", "bytes=22345-"]
    assert left(tmp_path) == ["birds_v1"]


def broken_off(mirror: Mirror, root: Path, at: int = 12_345) -> None:
    """Leave a part of `at` bytes."""
    mirror.cuts = [at] + [0] * (download.ATTEMPTS - 1)
    message = f"broke off.* 4 attempts; {at} bytes are kept in .*; run the same command to resume; or download it by"
    with pytest.raises(FetchError, match=message) as seen:
        get(mirror, root)
    assert str(seen.value).startswith(f"{mirror.url}: ")
    assert str(seen.value).endswith(f"; or download it by hand and unpack it to {root / 'birds_v1'}")
    assert seen.value.exit_code == 1
    assert left(root) == [".birds_v1.part", ".birds_v1.part.json"]
    mirror.asked.clear()


@pytest.mark.parametrize(
    ("etag", "modified"), [('"1"', None), ('W/"1"', None), (None, "Mon, 01 Jan 2024 00:00:00 GMT")]
)
def test_a_later_call_goes_on(mirror: Mirror, tmp_path: Path, etag: str | None, modified: str | None) -> None:
    mirror.etag, mirror.modified = etag, modified
    broken_off(mirror, tmp_path)
    assert get(mirror, tmp_path).resumed_from == 12_345
    assert mirror.asked == ["bytes=12345-"]
    assert left(tmp_path) == ["birds_v1"]


def test_a_server_without_ranges_starts_again(mirror: Mirror, tmp_path: Path) -> None:
    broken_off(mirror, tmp_path)
    mirror.ranges = False
    assert get(mirror, tmp_path) == Fetched(str(tmp_path / "birds_v1"), len(WHOLE), 0, 0, False)
    assert mirror.asked == ["bytes=12345-"]


@pytest.mark.parametrize("honest", [True, False], ids=["If-Range", "If-Range ignored"])
@pytest.mark.parametrize("told_by", ["etag", "modified", "length", "shorter"])
def test_a_file_that_changed_meanwhile_starts_again(mirror: Mirror, tmp_path: Path, told_by: str, honest: bool) -> None:
    mirror.honest = honest
    mirror.body = OTHER + b"more" if told_by == "length" else OTHER * 2 if told_by == "shorter" else OTHER
    mirror.etag, mirror.modified = ('"0"', None) if told_by == "etag" else (None, None)
    if told_by == "modified":
        mirror.modified = "Mon, 01 Jan 2024 00:00:00 GMT"
    broken_off(mirror, tmp_path, len(WHOLE) + 1 if told_by == "shorter" else 12_345)
    mirror.body = WHOLE
    mirror.etag = '"1"' if mirror.etag else None
    mirror.modified = "Tue, 02 Jan 2024 00:00:00 GMT" if mirror.modified else None
    assert get(mirror, tmp_path).resumed_from == 0
    assert mirror.asked[0] is not None
    assert left(tmp_path) == ["birds_v1"]


def test_a_part_that_nothing_vouches_for_is_not_gone_on_with(mirror: Mirror, tmp_path: Path) -> None:
    mirror.etag, mirror.chunked = None, True
    mirror.cuts = [7] * download.ATTEMPTS
    with pytest.raises(FetchError, match="4 attempts; try again later; or download it by hand"):
        get(mirror, tmp_path)
    mirror.asked.clear()
    assert get(mirror, tmp_path).resumed_from == 0
    assert mirror.asked == [None]


def test_a_part_from_another_mirror_is_not_gone_on_with(mirror: Mirror, tmp_path: Path) -> None:
    broken_off(mirror, tmp_path)
    archive = Archive("http://127.0.0.1:9/", "birds_v1")
    found = fetch(archive, tmp_path, require_content, terms="", url=mirror.url + "?again")
    assert found.resumed_from == 0
    assert mirror.asked == [None]


@pytest.mark.parametrize("damage", ["no note", "a foreign note", "no JSON"])
def test_a_part_without_its_note_is_not_gone_on_with(mirror: Mirror, tmp_path: Path, damage: str) -> None:
    broken_off(mirror, tmp_path)
    note = tmp_path / ".birds_v1.part.json"
    note.unlink()
    if damage != "no note":
        note.write_text('{"size": 3}' if damage == "a foreign note" else "{")
    assert get(mirror, tmp_path).resumed_from == 0


def test_a_server_that_falls_silent_is_a_break_off(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "TIMEOUT_S", 0.2)
    mirror.stall, mirror.cuts = threading.Event(), [12_345]
    assert get(mirror, tmp_path).bytes == len(WHOLE)
    mirror.stall.set()
    assert mirror.asked == [None, "bytes=12345-"]


@pytest.mark.parametrize("status", [403, 404, 503])
def test_a_refusal_is_said_at_once(mirror: Mirror, tmp_path: Path, status: int) -> None:
    mirror.status = status
    with pytest.raises(FetchError, match=f"^{mirror.url}: the server answered {status} .*try again later; or download"):
        get(mirror, tmp_path)
    assert len(mirror.asked) == 1
    assert left(tmp_path) == []


@pytest.mark.usefixtures("mirror")
def test_no_server_and_no_address(tmp_path: Path) -> None:
    with serving() as gone:
        pass
    with pytest.raises(FetchError, match=r"no answer \(.*refused.*\); check the address and the network"):
        get(gone, tmp_path)
    for url in ("file:///etc/passwd", "ftp://there/a", "birds.tar.gz", "http://", "http://a b", "http://a\n"):
        with pytest.raises(UsageError, match="not a web address; give one that begins with https://"):
            get(Mirror(url), tmp_path)


@pytest.mark.parametrize("chunked", [False, True])
def test_the_bar_takes_an_unknown_size(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], chunked: bool
) -> None:
    monkeypatch.setattr(progress, "DELAY_S", 0.0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    mirror.chunked = chunked
    get(mirror, tmp_path)
    size = f"{len(WHOLE) / 1000:.1f}k"
    assert ("0.00B [" if chunked else f"0.00/{size} [") in capsys.readouterr().err
