"""Promises: a vocabulary is read whole and clean, bad files are refused in one line, class words are set aside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from debias_pt.discovery.set_aside import class_similarity, near_classes, unit
from debias_pt.discovery.words import ATTRIBUTES, FOLDER, MOST_LINES, built_in, everyday_words, read_vocabulary
from debias_pt.errors import UsageError


def test_the_built_in_words() -> None:
    words = everyday_words()
    assert 1500 <= len(words) <= 2000
    assert {"lake", "forest", "oil painting", "blurry image", "watermark"} <= set(words)
    files = [path for path in FOLDER.glob("*.txt") if path.name != ATTRIBUTES]
    assert len(files) >= 15
    lines = [one for path in files for one in path.read_text(encoding="utf-8").splitlines()]
    assert sum(not line.startswith("#") for line in lines) == len(words)  # no word stands in two files
    assert all("CC0" in path.read_text(encoding="utf-8").splitlines()[1] for path in FOLDER.glob("*.txt"))


def test_the_built_in_attributes() -> None:
    """Each value has two phrases or more, no phrase is of two values, and what the page of docs lists is there."""
    words = built_in()
    assert len(words) >= 40
    assert words.repeated == 0
    for one in words.attributes:
        phrases = [phrase for value in one.values.values() for phrase in value]
        assert len(phrases) == len(set(phrases)), one.name
        assert min(len(value) for value in one.values.values()) >= 2, one.name
    names = {one.name for one in words.attributes}
    assert {"background", "backdrop", "color", "tone", "material", "style", "display", "framing", "gender"} <= names


def test_empty_lines_and_repetitions_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "place.txt"
    file.write_text("# mine\nlake\n\n  deep   lake \nlake\ntone=dark|dim:light\n", encoding="utf-8")
    words = read_vocabulary(str(file))
    assert {one.name: dict(one.values) for one in words.attributes} == {
        "tone": {"dark": ("dark", "dim"), "light": ("light",)},
        "place": {"lake": ("lake",), "deep lake": ("deep lake",)},
    }
    assert words.repeated == 1
    assert words.replaced == ()


def test_a_file_can_add_to_the_built_in_attributes(tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    file.write_text("tone=dark:light\nleash=leash|collar:free\n", encoding="utf-8")
    words = read_vocabulary(f"+{file}")
    assert len(words) == len(built_in()) + 1
    assert words.replaced == ("tone",)
    assert [dict(one.values) for one in words.attributes if one.name == "tone"] == [
        {"dark": ("dark",), "light": ("light",)}
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"lake\n", "the word 'lake' stands alone"),
        (b"", "0 lines with words; 1 to"),
        ("".join(f"word{i}\n" for i in range(100_000)).encode(), f"100000 lines with words; 1 to {MOST_LINES}"),
        (b"lake\nland:water\n", "line 2: 'land:water' has"),
        (b"place=land\n", "attribute 'place' has one value"),
        (b"place=land:water\nplace=sea:lake\n", "'place' is given twice"),
        (b"lake\n" + b"x" * 200, "line 2: a phrase of 200 letters"),
        (b"\xff\xfe\x00l", "no text in UTF-8"),
        (None, "cannot be read: No such file"),
    ],
)
def test_bad_files_are_refused_in_one_line(tmp_path: Path, content: bytes | None, reason: str) -> None:
    file = tmp_path / "words.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError, match=reason) as caught:
        read_vocabulary(str(file))
    assert "\n" not in str(caught.value)


def test_words_that_share_a_word_with_a_class_are_set_aside() -> None:
    words = ["water", "water bird", "Birds", "seabird", "lake"]
    aside = near_classes(words, np.zeros(5), ["water bird"])
    assert aside.tolist() == [True, True, True, False, False]


def test_words_that_stand_out_in_similarity_are_set_aside() -> None:
    rng = np.random.default_rng(0)
    embedded = unit(rng.normal(size=(200, 64)) + 1)
    classes = unit(embedded[:1] + 0.01 * rng.normal(size=(1, 64)))
    similarity = class_similarity(embedded, classes)
    assert similarity.argmax() == 0
    aside = near_classes([f"w{i}" for i in range(200)], similarity, ["class"])
    assert aside[0]
    assert aside.sum() <= 10  # a twentieth at most


def test_no_word_need_be_left() -> None:
    assert near_classes(["cat", "cats"], np.array([1.0, 0.9]), ["cat"]).all()
