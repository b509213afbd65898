"""Promises: K images per class, drawn by the seed alone, kept by name; short classes are said or refused."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from debias_pt.errors import DatasetError, DebiasWarning, UsageError
from debias_pt.features.table import FeatureTable
from debias_pt.noise.few_shot import FewShot, draw_shots

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
    rows = draw_shots(y, shots, seed, class_names=CLASSES, short="refuse")
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
    with pytest.warns(DebiasWarning, match="2 of 4 classes have fewer than 8 training images, 'bee' 2; all they have"):
        rows = draw_shots(y, 8, 0, class_names=CLASSES)
    assert np.bincount(y[rows]).tolist() == [8, 2, 8, 5]
    with pytest.raises(UsageError, match="'bee' 2; ask for fewer shots"):
        draw_shots(y, 8, 0, class_names=CLASSES, short="refuse")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shots": 0}, "shots is 0"),
        ({"shots": 1, "short": "copy"}, "short is 'copy'; all or refuse expected"),
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


def test_a_draw_is_kept_by_name(tmp_path: Path) -> None:
    table = many()
    few = FewShot.draw(table, 2, seed=1)
    few.save(tmp_path / "few.json")
    assert FewShot.load(tmp_path / "few.json") == few == FewShot.from_dict(few.to_dict())
    backwards = table.rows(np.arange(len(table))[::-1].copy())
    assert [backwards.ids[row] for row in few.rows(backwards)] == list(few.ids)


def test_a_draw_of_other_data_and_a_broken_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="1 of 2 images are not in this table, first 'x.png'"):
        FewShot(0, 1, ("000.png", "x.png")).rows(many())
    with pytest.raises(UsageError, match="not a few-shot draw"):
        FewShot.from_dict({"seed": 0})
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(UsageError, match="not a few-shot draw"):
        FewShot.load(tmp_path / "list.json")
