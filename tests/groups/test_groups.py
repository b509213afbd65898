"""Promises: groups are numbered as WILDS does, attributes cross, small groups are named, sizes may be expected ones."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from debias_pt.datasets.attributes import PseudoAttribute, TrueAttribute
from debias_pt.datasets.base import ImageDataset
from debias_pt.errors import DebiasWarning, UsageError
from debias_pt.groups.groups import Groups, known_groups
from debias_pt.groups.metrics import known_counts

NAMES = ("cat", "dog")


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


def test_misaligned_posterior_is_refused() -> None:
    with pytest.raises(UsageError, match="a row per label"):
        Groups(np.array([0, 1]), np.ones((3, 2)), ("a", "b"), ("x", "y"), "pseudo")


def of_sizes(sizes: list[int], source: str = "true") -> Groups:
    """Two values a class, and this many images of each group."""
    index = np.repeat(np.arange(len(sizes)), sizes)
    names = tuple(f"class {k}" for k in range(len(sizes) // 2))
    return Groups(index // 2, index % 2, names, ("in", "out"), source)


def warned(groups: Groups, *, soft: bool = False) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        groups.warn_if_small(soft=soft)
    return [str(one.message) for one in caught if one.category is DebiasWarning]


def test_groups_below_ten_are_warned_of_the_smallest_first() -> None:
    assert warned(of_sizes([9, 10, 0, 1])) == [
        "the true group (class 1, in) is empty; its weight is 0",
        "the true group (class 1, out) has 1 sample; its weight rests on very few",
        "the true group (class 0, in) has 9 samples; its weight rests on very few",
    ]
    assert warned(Groups.by_class(np.array([0]), ("cat",))) == [
        "the group (cat) has 1 sample; its weight rests on very few"
    ]


def test_five_small_groups_are_named_one_by_one_and_six_in_one_line() -> None:
    assert len(warned(of_sizes([1, 2, 3, 4, 5, 10]))) == 5
    (line,) = warned(of_sizes([7, 2, 0, 4, 5, 6, 3, 10]))
    assert line == (
        "of 8 true groups 1 are empty (their weight is 0) and 6 have fewer than 10 samples (their weights rest on very "
        "few), the smallest are (class 0, out) with 2; (class 3, in) with 3; (class 1, out) with 4; (class 2, in) with "
        "5; (class 2, out) with 6"
    )
    (line,) = warned(of_sizes([0, 0, 0, 0, 0, 0, 99, 99]))
    assert line == (
        "of 8 true groups 6 are empty (their weight is 0) and 0 have fewer than 10 samples (their weights rest on very "
        "few)"
    )


def test_sizes_are_counts_or_expected_numbers() -> None:
    posterior = np.array([[0.75, 0.25], [0.5, 0.5], [0.0, 1.0]])
    soft = Groups(np.array([0, 0, 1]), posterior, NAMES, ("in", "out"), "pseudo")
    assert soft.sizes().tolist() == soft.counts.tolist() == [2, 0, 0, 1]  # of equals the first value
    assert soft.sizes(soft=True).tolist() == [1.25, 0.75, 0, 1]
    hard = of_sizes([2, 0, 0, 1])
    assert hard.sizes(soft=True).tolist() == hard.sizes().tolist() == [2, 0, 0, 1]
    assert hard.hard
    assert not soft.hard
    assert warned(soft, soft=True)[1].endswith("(cat, out) has 0.8 samples; its weight rests on very few")
    assert warned(soft)[0] == "the pseudo group (cat, out) is empty; its weight is 0"


def test_values_that_are_no_attribute_are_refused() -> None:
    y = np.array([0, 1])
    for values in (np.array([0, 2]), np.array([-1, 0]), np.array([0.0, 1.0]), np.ones((2, 3)), np.array([0])):
        with pytest.raises(UsageError, match="attribute"):
            Groups(y, values, NAMES, ("in", "out"), "true")
    Groups(y, np.array([0, 1]), NAMES, ("in", "out"), "true")
    assert len(Groups(y[:0], y[:0], NAMES, ("in", "out"), "true")) == 0


def test_two_annotations_cross_in_order() -> None:
    one, two = TrueAttribute(("in", "out"), np.array([1, 0])), TrueAttribute(("a", "b", "c"), np.array([2, 1]))
    groups = Groups.true(np.array([0, 1]), NAMES, [one, two])
    assert groups.attribute_names == ("in+a", "in+b", "in+c", "out+a", "out+b", "out+c")
    assert groups.values.tolist() == [5, 1]
    assert groups.index.tolist() == [5, 7]
    assert [groups.name(g) for g in (5, 7)] == ["cat, out+c", "dog, in+b"]
    assert np.asarray(groups).tolist() == ["cat, out+c", "dog, in+b"]
    mixed = Groups.pseudo(np.array([0, 1]), NAMES, [PseudoAttribute("p", ("x", "y"), np.array([[0.25, 0.75]] * 2))])
    split = mixed.split_by(("u", "v"), np.array([[1.0, 0.0], [0.5, 0.5]]))
    assert split.values.tolist() == [[0.25, 0, 0.75, 0], [0.125, 0.125, 0.375, 0.375]]
    assert split.source == "pseudo"
    of_true = groups.split_by(("u", "v"), np.eye(2))
    assert (of_true.source, of_true.attribute.tolist()) == ("true", [10, 3])
    by_class = Groups.by_class(np.array([0, 1]), NAMES)
    assert by_class.split_by(("u", "v"), np.eye(2)).source == "pseudo"
    assert by_class.names == NAMES


def test_known_groups_are_the_annotations_or_the_classes(tmp_path: object) -> None:
    y, split = np.array([0, 1]), np.array(["train", "train"])
    place = TrueAttribute(("in", "out"), np.array([1, 0]))
    plain = ImageDataset("d", tmp_path, ("a", "b"), y, split, NAMES)  # type: ignore[arg-type]
    assert known_groups(plain)[0].tolist() == [0, 1]
    assert known_groups(plain)[1] == NAMES
    named = ImageDataset("d", tmp_path, ("a", "b"), y, split, NAMES, {"place": place})  # type: ignore[arg-type]
    index, names = known_groups(named)
    assert index.tolist() == [1, 2]
    assert names[1] == "cat, out"


def test_which_training_counts_are_known() -> None:
    fitted = of_sizes([3, 1, 0, 2])
    one, two = TrueAttribute(("a", "b"), np.array([0, 0, 0, 1, 1, 1])), TrueAttribute(("u", "v"), fitted.y)
    names = fitted.class_names
    assert known_counts(of_sizes([1, 1, 1, 1]), fitted, {}).tolist() == [3, 1, 0, 2]
    by_one = Groups.true(fitted.y, names, [one])
    assert known_counts(by_one, fitted, {"one": one, "two": two}).tolist() == [3, 1, 0, 2]
    both = Groups.true(fitted.y, names, [one, two])
    assert known_counts(both, fitted, {"one": one, "two": two}).tolist() == both.counts.tolist()
    assert known_counts(both, fitted, {"one": one}).tolist() == [0] * 8
    assert known_counts(both, None, {"one": one, "two": two}).tolist() == [0] * 8
    pseudo = of_sizes([1, 1, 1, 1], "pseudo")
    assert known_counts(pseudo, fitted, {}).tolist() == [0] * 4


def test_groups_number_and_name_class_times_value() -> None:
    y, a = np.array([0, 0, 1, 1, 1]), np.array([1, 0, 1, 1, 0])
    groups = Groups.true(y, ("cat", "dog"), [TrueAttribute(("in", "out"), a)])
    assert groups.index.tolist() == [1, 0, 3, 3, 2]
    assert groups.counts.tolist() == [1, 1, 1, 2]
    assert groups.labels == (("cat", "in"), ("cat", "out"), ("dog", "in"), ("dog", "out"))
    assert groups.class_of_group.tolist() == [0, 0, 1, 1]
    assert groups.rows(y == 1).counts.tolist() == [0, 0, 1, 2]
