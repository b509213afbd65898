"""Promises: unpacking writes nothing outside its folder and makes no link; damage is refused in one line."""

from __future__ import annotations

import contextlib
import stat
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debias_pt.datasets.download.archive import unpack
from debias_pt.errors import FetchError, OutputError
from tests.helpers.http_server import CONTENT, WHOLE, special, tar, tree, zipped


def test_a_link_is_never_written_through(tmp_path: Path) -> None:
    place, packed = tmp_path / "place", tmp_path / "packed"
    for folder in (place, tmp_path / "target"):
        folder.mkdir()
    packed.write_bytes(tar({"d": special("d", tarfile.SYMTYPE, str(tmp_path / "target")), "d/evil": b"x"}))
    with pytest.raises(FetchError, match="leads out"):
        unpack(packed, place)
    packed.write_bytes(tar({"d": special("d", tarfile.SYMTYPE, "e"), "e/1": b"x", "d/2": b"y"}))
    with pytest.raises(FetchError, match="'d' in the archive is a link to 'e'"):
        unpack(packed, place)
    assert not any((tmp_path / "target").iterdir())


def test_links_inside_become_copies(tmp_path: Path) -> None:
    place, packed = tmp_path / "place", tmp_path / "packed"
    place.mkdir()
    links = {"s": special("c/s", tarfile.SYMTYPE, "../a/1"), "h": special("h", tarfile.LNKTYPE, "a/1")}
    packed.write_bytes(tar({**links, "a/1": b"one"}))
    unpack(packed, place)
    assert tree(place) == {"a/1": b"one", "c/s": b"one", "h": b"one"}
    with zipfile.ZipFile(packed, "w") as archive:
        link = zipfile.ZipInfo("l")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "../evil")
    with pytest.raises(FetchError, match=r"'\.\./evil' in the archive leads out"):
        unpack(packed, place)


@given(st.lists(st.text("ab./\\:é", min_size=1, max_size=8), min_size=1, max_size=4), st.booleans())
def test_no_name_leaves_the_folder(names: list[str], as_zip: bool) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        place, packed = Path(temporary, "x", "y"), Path(temporary, "packed")
        place.mkdir(parents=True)
        packed.write_bytes((zipped if as_zip else tar)(dict.fromkeys(names, b"x")))
        with contextlib.suppress(FetchError, OutputError):
            unpack(packed, place)
        assert sorted(path.name for path in Path(temporary).iterdir()) == ["packed", "x"]
        assert [path.name for path in Path(temporary, "x").iterdir()] == ["y"]


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255), st.integers(0, 2))
def test_a_damaged_archive_is_refused_or_harmless(at: int, byte: int, kind: int) -> None:
    body = bytearray((WHOLE, tar(CONTENT, gz=False), zipped(CONTENT))[kind])
    body[at % 600 if at % 2 else at % len(body)] = byte  # headers are near the start
    with tempfile.TemporaryDirectory() as temporary:
        place, packed = Path(temporary, "place"), Path(temporary, "packed")
        place.mkdir()
        packed.write_bytes(body)
        with contextlib.suppress(FetchError, OutputError):  # and nothing else
            unpack(packed, place)
        assert sorted(path.name for path in Path(temporary).iterdir()) == ["packed", "place"]
