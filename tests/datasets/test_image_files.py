"""Promises: folders are searched whole and in order, what is no image is named, and every file counts once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from debias_pt.datasets.image_files import find_images, gather
from debias_pt.datasets.image_formats import is_image
from debias_pt.datasets.images import open_rgb
from debias_pt.errors import DebiasWarning, ImageError


def fill(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def found(root: Path) -> tuple[list[str], list[str]]:
    images, others = find_images(root)
    return [path.relative_to(root).as_posix() for path in images], [
        path.relative_to(root).as_posix() for path in others
    ]


@pytest.mark.parametrize("ending", ["jpg", "JPEG", "png", "bmp", "gif", "tif", "tiff", "webp", "ppm"])
def test_endings_of_images(ending: str) -> None:
    assert is_image(f"bird.{ending}")


@pytest.mark.parametrize(
    "name", ["jpg", ".jpg", "bird", "labels.csv", "bird.jpg.txt", "film.mpg", "features.h5", "a.pdf"]
)
def test_endings_of_others(name: str) -> None:
    assert not is_image(name)


@pytest.mark.parametrize("kind", ["BMP", "GIF", "JPEG", "PCX", "PNG", "SGI", "TGA", "TIFF"])
def test_all_endings_of_a_format_are_read(kind: str, tmp_path: Path) -> None:
    endings = [ending for ending, other in Image.registered_extensions().items() if other == kind]
    for ending in endings:
        assert is_image(f"x{ending}")
        Image.new("RGB", (2, 2)).save(tmp_path / f"x{ending}", format=kind)
        assert open_rgb(tmp_path / f"x{ending}").size == (2, 2)
    assert endings


def test_folders_are_searched_in_sorted_order_without_hidden_files(tmp_path: Path) -> None:
    fill(tmp_path, "b.png", "a/z.jpg", "a/c.TIF", "a-b/x.png", "notes.txt", "a/labels.csv", ".x.png", ".git/y.png")
    assert found(tmp_path) == (["a/c.TIF", "a/z.jpg", "a-b/x.png", "b.png"], ["a/labels.csv", "notes.txt"])


def test_links_to_folders_are_followed_and_never_in_circles(tmp_path: Path) -> None:
    fill(tmp_path, "far/x.png", "root/a/y.png", "root/b/z.png")
    root = tmp_path / "root"
    (root / "far").symlink_to(tmp_path / "far")
    (root / "a" / "up").symlink_to(root)
    (root / "a" / "over").symlink_to(root / "b")
    (root / "b" / "over").symlink_to(root / "a")
    expected = ["a/over/z.png", "a/y.png", "b/over/y.png", "b/z.png", "far/x.png"]
    assert found(root) == (expected, [])


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, "a.png", "shut/b.png")
    real = os.scandir

    def refuse(place: str) -> object:
        if os.path.basename(place) == "shut":
            raise PermissionError(13, "Permission denied", str(place))
        return real(place)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(ImageError, match=r"shut: cannot read this folder \(Permission denied\)"):
        find_images(tmp_path)


def test_a_file_counts_once_and_as_it_was_named_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, "photos/a.png", "photos/b.png", "c.data")
    monkeypatch.chdir(tmp_path)
    words = ["./photos/b.png", "c.data", "photos", str(tmp_path / "photos" / "a.png"), "photos/../c.data"]
    assert gather(words) == (["./photos/b.png", "c.data", "photos/a.png"], [])


def test_what_is_left_out_is_counted_and_named(tmp_path: Path) -> None:
    root = fill(tmp_path, "a.png", *(f"sub/{i}.txt" for i in range(7)))
    with pytest.warns(DebiasWarning, match=r"left out 7 without an image extension: sub/0\.txt, .*/4\.txt and 2 more$"):
        images, left_out = gather([str(root)])
    assert images == [str(root / "a.png")]
    assert left_out == [str(root / "sub" / f"{i}.txt") for i in range(7)]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "no files at all"),
        (("b.txt", "a.csv"), "2 files with other extensions, first 'a.csv'"),
        ((".a.png",), "no files at all"),
    ],
)
def test_a_folder_without_any_image_is_an_error(tmp_path: Path, names: tuple[str, ...], message: str) -> None:
    with pytest.raises(ImageError) as caught:
        gather([str(fill(tmp_path, *names))])
    assert str(caught.value).startswith(f"{tmp_path}: no image in this folder ({message}); ")


def test_a_missing_file_is_an_error() -> None:
    with pytest.raises(ImageError, match=r"^nothing\.jpg: no such image file or folder; give image files"):
        gather(["nothing.jpg"])
