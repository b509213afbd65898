"""Promises: K images per class, drawn by the seed alone, kept by name; short classes are said, empty ones refused."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from debias_pt.datasets import load_dataset
from debias_pt.errors import DatasetError, DebiasWarning, UsageError
from debias_pt.features.table import FeatureTable
from debias_pt.noise.few_shot import FewShot, draw_shots
from tests.helpers.coop_files import drawn_in_plain_loops, write_shots

CLASSES = ("ant", "bee", "cat", "dog")


def many(per_class: int = 12, test: int = 8) -> FeatureTable:
    n = per_class * len(CLASSES)
    generator = np.random.default_rng(0)
    features = generator.normal(size=(n + test, 6))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    y = np.concatenate([generator.permutation(np.arange(n) % len(CLASSES)), np.arange(test) % len(CLASSES)])
    split = np.array(["train"] * n + ["val"] * (test // 2) + ["test"] * (test - test // 2))
    ids = tuple(f"{i:03d}.png" for i in range(n + test))
    return FeatureTable(ids, features.astype(np.float32), y, split, CLASSES)


@given(
    y=st.lists(st.integers(0, 3), min_size=4, max_size=80).map(lambda tail: np.array([0, 1, 2, 3] * 3 + tail)),
    shots=st.integers(1, 3),
    seed=st.integers(0, 10**6),
)
def test_exactly_k_of_every_class_without_replacement(y: np.ndarray, shots: int, seed: int) -> None:
    rows = draw_shots(y, shots, seed, class_names=CLASSES)
    assert y[rows].tolist() == sorted([0, 1, 2, 3] * shots)
    assert len(set(rows.tolist())) == len(rows)
    assert (rows == draw_shots(y, shots, seed, class_names=CLASSES)).all()
    more = draw_shots(y, 3, seed, class_names=CLASSES)
    assert set(rows.tolist()) <= set(more.tolist())  # fewer shots are among the more


def test_seeds_differ_and_every_image_can_be_drawn() -> None:
    y = np.repeat(np.arange(4), 10)
    draws = [set(draw_shots(y, 2, seed, class_names=CLASSES).tolist()) for seed in range(60)]
    assert len({frozenset(draw) for draw in draws}) > 50
    assert set.union(*draws) == set(range(40))


def test_global_random_states_neither_matter_nor_change() -> None:
    y = np.repeat(np.arange(4), 10)
    first = draw_shots(y, 2, 0, class_names=CLASSES)
    np.random.seed(1)
    random.seed(1)
    torch.manual_seed(1)
    before = (np.random.get_state()[1].tolist(), random.getstate(), torch.get_rng_state().tolist())
    assert (draw_shots(y, 2, 0, class_names=CLASSES) == first).all()
    assert before == (np.random.get_state()[1].tolist(), random.getstate(), torch.get_rng_state().tolist())


def test_a_short_class_gives_all_it_has_and_says_so() -> None:
    y = np.array([0] * 9 + [1] * 2 + [2] * 9 + [3] * 5)
    with pytest.warns(DebiasWarning, match="2 of 4 classes have fewer than 8 training images, 'bee' 2; all of theirs"):
        rows = draw_shots(y, 8, 0, class_names=CLASSES)
    assert np.bincount(y[rows]).tolist() == [8, 2, 8, 5]
    with pytest.raises(UsageError, match="'bee' 0; ask for fewer shots"):
        draw_shots(y[y != 1], 8, 0, class_names=CLASSES)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shots": 0}, "shots is 0"),
        ({"shots": 1}, "1 of 4 classes have fewer than 1 training images, 'dog' 0; ask"),
    ],
)
def test_what_cannot_be_drawn_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        draw_shots(np.array([0, 1, 2]), seed=0, class_names=CLASSES, **options)  # type: ignore[arg-type]


def test_only_training_images_are_drawn_and_the_other_splits_stay() -> None:
    table = many()
    few = FewShot.draw(table, 3, seed=5)
    assert set(table.split[few.rows(table)].tolist()) == {"train"}
    small = few.of(table)
    assert small.where("train").ids == few.ids
    assert np.bincount(small.where("train").y).tolist() == [3, 3, 3, 3]
    for split in ("val", "test"):
        assert small.where(split).ids == table.where(split).ids
    assert (small.where("train").features == table.features[few.rows(table)]).all()


def test_a_draw_is_kept_by_name() -> None:
    table = many()
    few = FewShot.draw(table, 2, seed=1)
    backwards = table.rows(np.arange(len(table))[::-1].copy())
    assert [backwards.ids[row] for row in few.rows(backwards)] == list(few.ids)


def test_a_draw_of_other_data_is_refused() -> None:
    with pytest.raises(DatasetError, match="1 of 2 images are not in this table, first 'x.png'"):
        FewShot(0, 1, ("000.png", "x.png")).rows(many())


# CoOp's own draws.


def listed(table: FeatureTable, split: str) -> list[tuple[str, int]]:
    rows = table.where(split)
    return list(zip(rows.ids, rows.y.tolist(), strict=True))


@given(shots=st.integers(1, 7), seed=st.integers(0, 10**4), per_class=st.integers(7, 20))
def test_the_rule_of_coop_equals_plain_loops(shots: int, seed: int, per_class: int) -> None:
    table = many(per_class=per_class, test=40)
    train, val = drawn_in_plain_loops(listed(table, "train"), listed(table, "val"), shots, seed)
    assert list(FewShot.draw(table, shots, seed, rule="coop").ids) == train
    assert list(FewShot.draw(table, shots, seed, rule="coop", split="val").ids) == val
    assert len(val) == len(CLASSES) * min(shots, 4)


def test_a_short_class_is_said_with_the_rule_of_coop_too() -> None:
    table = many(per_class=3)
    with pytest.warns(DebiasWarning, match="4 of 4 classes have fewer than 5"):
        few = FewShot.draw(table, 5, 1, rule="coop")
    assert sorted(few.ids) == sorted(table.where("train").ids)
    with pytest.raises(UsageError, match="rule is 'dassl'; nested or coop expected"):
        FewShot.draw(table, 2, 1, rule="dassl")


@pytest.mark.parametrize("root", ["/data/elsewhere/images", "C:\\sets\\images", ""])
def test_a_file_of_coop_is_matched_by_the_end_of_its_paths(tmp_path: Path, root: str) -> None:
    table = many(test=40)
    train, val = drawn_in_plain_loops(listed(table, "train"), listed(table, "val"), 3, 1)
    label = dict(zip(table.ids, table.y.tolist(), strict=True))
    named = [[(f"{root}/{name}", label[name]) for name in names] for names in (train, val)]
    write_shots(tmp_path / "shot_3-seed_1.pkl", *named)
    assert list(FewShot.read(table, tmp_path, 3, 1).ids) == train
    assert list(FewShot.read(table, tmp_path, 3, 1, split="val").ids) == val


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([("x/099.png", 0)], "names 'x/099.png', which the split file does not have"),
        ([("x/000.png", 3)], "another class"),
    ],
)
def test_a_file_of_coop_for_other_data_is_refused(tmp_path: Path, images: list[tuple[str, int]], message: str) -> None:
    table = many()
    write_shots(tmp_path / "shot_1-seed_1.pkl", images, [])
    assert table.y[0] != 3
    with pytest.raises(DatasetError, match=message):
        FewShot.read(table, tmp_path, 1, 1)


@pytest.mark.realdata
@pytest.mark.parametrize("shots", [1, 16])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_draws_of_coop_from_the_real_split_of_caltech101(assets: Path, shots: int, seed: int) -> None:
    dataset = load_dataset("caltech101", assets)
    features = np.tile(np.eye(4, dtype=np.float32)[:1], (len(dataset), 1))
    table = FeatureTable(dataset.ids, features, dataset.y, dataset.split, dataset.class_names)
    split = json.loads((assets / "caltech101" / "split_zhou_Caltech101.json").read_text())
    images = [[(path, label) for path, label, _ in split[part]] for part in ("train", "val")]
    train, val = drawn_in_plain_loops(*images, shots, seed)
    found = [FewShot.draw(table, shots, seed, rule="coop", split=part).ids for part in ("train", "val")]
    assert [[name.removeprefix("101_ObjectCategories/") for name in names] for names in found] == [train, val]
    assert len(train) == 100 * shots
    assert FewShot.draw(table, shots, seed).ids != found[0]  # ours are others
