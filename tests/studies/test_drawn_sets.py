"""Promises: drawn sets are rows of photographs that are there, as skewed as they say, the same on every machine; their
words name their values; what cannot be drawn is said."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from debias_pt.benchmarks.group_robustness.several_sets.compare import settings_of
from debias_pt.datasets.attributes import Attribute as Words
from debias_pt.errors import DatasetError
from debias_pt.workflows.prepare import read_dataset
from studies.drawn_sets.draw import draw_rows, group_of, write_set
from studies.drawn_sets.photos import SOURCES, Photo
from studies.drawn_sets.sets import DRAWN_SETS, Attribute, DrawnSet

STYLE = Attribute({"photo": ("photo",), "line": ("sketch",)}, "style=photo|a photograph:line|a sketch")
ANIMALS = DrawnSet(
    "pacs", {"cat": ("cat", "lion"), "dog": ("dog",)}, (STYLE,), {"cat": ("photo",), "dog": ("line",)},
    share=0.1, val=4, test=6,
)  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Empty files in the layout of PACS: 60 cats, 40 lions and 80 dogs of each style, and what has no place."""
    for style, (kind, n) in itertools.product(
        ("photo", "sketch", "cartoon"), (("cat", 60), ("lion", 40), ("dog", 80), ("house", 9))
    ):
        folder = tmp_path / "pacs" / style / kind
        folder.mkdir(parents=True)
        for i in range(n):
            (folder / f"{i}.jpg").touch()
    return tmp_path


def counts(rows: list[tuple[str, ...]]) -> Counter[tuple[str, ...]]:
    return Counter(row[1:] for row in rows)


def test_rows_are_as_skewed_as_the_set_says(root: Path) -> None:
    rows = draw_rows(ANIMALS, root)
    assert len({row[0] for row in rows}) == len(rows)
    assert all((root / row[0]).is_file() for row in rows)
    found = counts(rows)
    # 100 cat photographs less 6 for test and the 7 that skewed validation would take are 90 % of what is trained on.
    assert found == {
        ("cat", "train", "photo"): 86, ("cat", "train", "line"): 10,
        ("dog", "train", "line"): 67, ("dog", "train", "photo"): 7,
        **{(label, "val", value): 4 for label in ("cat", "dog") for value in ("photo", "line")},
        **{(label, "test", value): 6 for label in ("cat", "dog") for value in ("photo", "line")},
    }  # fmt: skip


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5])
def test_shares_from_none_to_no_shortcut(root: Path, share: float) -> None:
    found = counts(draw_rows(replace(ANIMALS, share=share), root))
    for label, usual, other in (("cat", "photo", "line"), ("dog", "line", "photo")):
        whole = found[label, "train", usual] + found[label, "train", other]
        assert found[label, "train", other] == pytest.approx(share * whole, abs=1)


def test_skewed_validation_changes_validation_only(root: Path) -> None:
    skewed, balanced = replace(ANIMALS, val=10, skewed_val=True), replace(ANIMALS, val=10)
    first, second = draw_rows(skewed, root), draw_rows(balanced, root)
    for split in ("train", "test"):
        assert [row for row in first if row[2] == split] == [row for row in second if row[2] == split]
    assert counts(first)["cat", "val", "photo"] == 18
    assert counts(first)["cat", "val", "line"] == 2


def test_a_seed_draws_the_same_rows_and_another_seed_others(root: Path) -> None:
    assert draw_rows(ANIMALS, root, 1) == draw_rows(ANIMALS, root, 1) != draw_rows(ANIMALS, root, 2)
    assert counts(draw_rows(ANIMALS, root, 1)) == counts(draw_rows(ANIMALS, root, 2))


def test_a_kind_can_be_kept_from_taking_over(root: Path) -> None:
    rows = draw_rows(replace(ANIMALS, most_of_kind=20, val=2, test=2), root)
    drawn = Counter(Path(row[0]).parent.name for row in rows)
    assert max(drawn.values()) <= 20


def test_several_attributes_are_drawn_each_by_itself(root: Path) -> None:
    size = Attribute({"small": ("cat",), "large": ("lion", "dog")}, "size=small|small:large|large")
    both = replace(
        ANIMALS,
        classes={"cat": ("cat", "lion")},
        attributes=(STYLE, size),
        usual={"cat": ("photo", "small")},
        val=1,
        test=1,
    )
    found = counts(draw_rows(both, root))
    whole = sum(n for key, n in found.items() if key[1] == "train")
    assert found["cat", "train", "photo", "small"] == pytest.approx(0.81 * whole, abs=1)
    assert found["cat", "train", "line", "large"] == pytest.approx(0.01 * whole, abs=1)


def test_too_few_photographs_are_named(root: Path) -> None:
    with pytest.raises(DatasetError, match=r"dog, line: 80 photographs; 88 or more expected"):
        draw_rows(replace(ANIMALS, test=80), root)
    with pytest.raises(DatasetError, match=r"pacs: no such folder; give --data-root the folder that holds pacs"):
        draw_rows(ANIMALS, root / "pacs")
    assert group_of(ANIMALS, Photo("x", "house", "photo")) is None


def test_a_written_set_is_read_with_its_own_settings(root: Path, tmp_path: Path) -> None:
    path = write_set("animals-10", ANIMALS, root, tmp_path / "sets")
    assert sorted(file.name for file in (tmp_path / "sets").iterdir()) == ["animals-10.csv", "animals-10.json"]
    dataset, (words,) = read_dataset(settings_of(str(path), {"on_bad_image": "skip"}))
    assert dataset.class_names == ("cat", "dog")
    assert set(words.values) == set(dataset.attributes["style"].values) == {"photo", "line"}
    assert Counter(dataset.split.tolist()) == Counter(row[2] for row in draw_rows(ANIMALS, root))
    assert json.loads(path.read_text())["attribute"] == [STYLE.words]


@pytest.mark.parametrize("name", list(DRAWN_SETS))
def test_words_name_the_values_and_usual_values_exist(name: str) -> None:
    chosen = DRAWN_SETS[name]
    assert chosen.source in SOURCES
    assert set(chosen.usual) == set(chosen.classes)
    for place, attribute in enumerate(chosen.attributes):
        parsed = Words.parse(attribute.words)
        assert parsed.name == attribute.name
        assert list(parsed.values) == list(attribute.values)
        assert {values[place] for values in chosen.usual.values()} <= set(attribute.values)
    kinds = [kind for members in chosen.classes.values() for kind in members]
    assert len(kinds) == len(set(kinds))


@pytest.mark.realdata
def test_all_sets_can_be_drawn_from_the_real_photographs(assets: Path) -> None:
    assert len(DRAWN_SETS) >= 8
    for name, chosen in DRAWN_SETS.items():
        found = counts(draw_rows(chosen, assets))
        values = list(itertools.product(*(attribute.values for attribute in chosen.attributes)))
        for label in chosen.classes:
            assert {found[(label, "test", *value)] for value in values} == {chosen.test}, name
            whole = sum(found[(label, "train", *value)] for value in values)
            for value in values:
                share = chosen.proportion(label, value)
                assert found[(label, "train", *value)] == pytest.approx(share * whole, abs=1), (name, label, value)
                assert (found[(label, "train", *value)] > 0) == (share > 0)
