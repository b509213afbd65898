"""Promises: drawn splits are stratified by class, and by the attribute where it is annotated, down to tiny groups."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from debias_pt.datasets.splits import SPLITS, Shares, complete
from debias_pt.errors import DatasetError


def names(n: int) -> list[str]:
    return [f"{i}.jpg" for i in range(n)]


def test_a_rare_combination_is_in_every_split() -> None:
    y, place = np.repeat([0, 0, 1, 1], [97, 3, 3, 97]), np.repeat([0, 1, 0, 1], [97, 3, 3, 97])
    for seed in range(20):
        split, rule = complete(names(200), y, None, Shares(seed=seed), {"place": place})
        assert rule["stratified_by"] == ["class", "place"]
        for k, a in ((0, 1), (1, 0)):
            assert sorted(split[(y == k) & (place == a)].tolist()) == ["test", "train", "val"]
        assert (split == "test").sum() == 2 * (1 + 15)


def test_without_annotation_the_draw_is_what_it_was() -> None:
    y = np.repeat([0, 1], 20)
    split, rule = complete(names(40), y, None, Shares())
    assert "stratified_by" not in rule
    assert complete(names(40), y, None, Shares(), {})[0].tolist() == split.tolist()


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3)), min_size=8, max_size=60))
def test_every_class_is_in_every_split(rows: list[tuple[int, int]]) -> None:
    y, a = (np.array(column) for column in zip(*rows, strict=True))
    try:
        expected, _ = complete(names(len(y)), y, None, Shares())
    except DatasetError:
        return  # a class is too small either way
    split, _ = complete(names(len(y)), y, None, Shares(), {"a": a})
    for name in SPLITS:
        assert set(y[split == name]) == set(y[expected == name]) == set(y)


def test_a_class_of_one_image_is_one_image() -> None:
    with pytest.raises(DatasetError, match="a class has 1 image to draw val and test from"):
        complete(names(5), np.array([0, 0, 0, 0, 1]), None, Shares())
