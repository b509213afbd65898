"""Promises: groups are numbered as WILDS does, attributes cross, small groups are named."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from debias_pt.datasets.attributes import PseudoAttribute, TrueAttribute
from debias_pt.errors import DebiasWarning, UsageError
from debias_pt.groups.groups import Groups


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=40))
def test_numbering_counts_and_membership(rows: list[tuple[int, int]]) -> None:
    y, a = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    groups = Groups.true(y, ("a", "b", "c"), [TrueAttribute(("w", "x", "y", "z"), a)])
    assert groups.index.tolist() == [4 * cls + value for cls, value in rows]
    assert groups.counts.tolist() == [groups.index.tolist().count(g) for g in range(12)]
    assert (groups.membership() == np.eye(12)[groups.index]).all()
    assert (groups.class_of_group[groups.index] == y).all()


def test_several_attributes_cross_with_joint_posterior() -> None:
    first = PseudoAttribute("background", ("land", "water"), np.array([[0.9, 0.1], [0.2, 0.8]]))
    second = PseudoAttribute("size", ("small", "mid", "big"), np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]]))
    groups = Groups.pseudo(np.array([0, 1]), ("bird", "cat"), [first, second])
    assert groups.attribute_names[5] == "water+big"
    assert groups.index.tolist() == [0, 6 + 5]
    assert groups.membership(soft=True)[1, 6:].tolist() == pytest.approx([0.02, 0.02, 0.16, 0.08, 0.08, 0.64])
    assert groups.membership(soft=True).sum(axis=1).tolist() == pytest.approx([1, 1])


def test_empty_and_small_groups_are_named() -> None:
    y = np.repeat([0, 0, 1], [20, 3, 15])
    a = np.repeat([0, 1, 1], [20, 3, 15])
    groups = Groups.true(y, ("landbird", "waterbird"), [TrueAttribute(("land", "water"), a)])
    with pytest.warns(DebiasWarning) as caught:
        groups.warn_if_small()
    texts = [str(one.message) for one in caught]
    assert any("(landbird, water) has 3 samples" in text for text in texts)
    assert any("(waterbird, land) is empty; its weight is 0" in text for text in texts)
    assert len(texts) == 2


def test_misaligned_posterior_is_refused() -> None:
    with pytest.raises(UsageError, match="a row per label"):
        Groups(np.array([0, 1]), np.ones((3, 2)), ("a", "b"), ("x", "y"), "pseudo")
