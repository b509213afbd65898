"""Promises: inferred values are called usable where a planted shortcut divides the images, and neither where images are
merely hard nor where labels are wrong; the numbers are what a plain loop gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from debias_pt.errors import DebiasWarning
from debias_pt.features.table import FeatureTable, table_from_arrays
from debias_pt.groups.association import association
from debias_pt.groups.inferred_groups import infer_groups, infer_values, inferred_text
from debias_pt.groups.inferred_verdict import gain_and_cost, judge_numbers, shift
from debias_pt.groups.verdict import DOUBTFUL, NOT_USABLE, USABLE

GOOD = {"association": 0.8, "shift": 0.3, "gain": 0.2, "cost": 0.05}


def planted(seed: int, *, cue: float = 2.0, share: float = 0.07, balanced: bool = True) -> FeatureTable:
    """Return 600 training and 160 validation images: dimension 0 tells the class, dimension 1 a shortcut."""
    rng = np.random.default_rng(seed)
    y = np.repeat([0, 1], 380)
    split = np.tile(np.repeat(["train", "val"], [300, 80]), 2)
    unusual = rng.random(760) < np.where((split == "val") & balanced, 0.5, share)
    value = np.where(unusual, 1 - y, y)
    x = 0.5 * rng.normal(size=(760, 12))
    x[:, 0] += 1.2 * y
    x[:, 1] += cue * value
    return table_from_arrays(x + 3, y, ["cat", "dog"], split=split)


@pytest.mark.parametrize("seed", range(3))
def test_a_planted_shortcut_is_usable(seed: int) -> None:
    verdict = infer_values(planted(seed), ("train", "val")).verdict
    assert verdict is not None
    assert verdict.verdict == USABLE
    assert verdict.numbers["shift"] > 0.2


@pytest.mark.parametrize("seed", range(3))
def test_it_is_usable_by_what_reweighting_gains_where_validation_is_as_skewed(seed: int) -> None:
    verdict = infer_values(planted(seed, balanced=False), ("train", "val")).verdict
    assert verdict is not None
    assert verdict.verdict == USABLE
    assert abs(verdict.numbers["shift"]) < 0.1
    assert verdict.numbers["gain"] > 0.1


@pytest.mark.parametrize("seed", range(3))
def test_without_a_shortcut_nothing_is_usable(seed: int) -> None:
    verdict = infer_values(planted(seed, cue=0.0), ("train", "val")).verdict
    assert verdict is not None
    assert verdict.verdict != USABLE


@pytest.mark.parametrize("seed", range(3))
def test_wrong_labels_are_no_shortcut(seed: int) -> None:
    clean = planted(seed, cue=0.0)
    rng = np.random.default_rng(seed)
    wrong = (rng.random(760) < 0.12) & (clean.split == "train")
    x = clean.features.astype(np.float64)
    x[:, 0] += 2 * np.where(clean.y == 1, 1, -1)  # classes that are easy to tell
    table = table_from_arrays(x, np.where(wrong, 1 - clean.y, clean.y), ["cat", "dog"], split=clean.split)
    verdict = infer_values(table, ("train", "val")).verdict
    assert verdict is not None
    assert verdict.verdict != USABLE


@pytest.mark.parametrize(
    ("changed", "expected", "said"),
    [
        ({}, USABLE, ""),
        ({"gain": 0.0}, USABLE, ""),
        ({"shift": 0.0}, USABLE, ""),
        ({"shift": None}, USABLE, ""),
        ({"association": 0.6}, USABLE, ""),
        ({"association": 0.49}, NOT_USABLE, "hardly go with the classes"),
        ({"shift": -0.05}, NOT_USABLE, "wrong labels do that"),
        ({"association": 0.59}, DOUBTFUL, "only so far"),
        ({"association": 0.69, "shift": 0.19}, DOUBTFUL, "only so far"),
        ({"shift": 0.19, "gain": 0.079}, DOUBTFUL, "may just be hard images"),
        ({"shift": None, "cost": 0.14}, DOUBTFUL, "lower it on usual ones by 14.0"),
        ({"shift": 0.1, "gain": 0.0}, DOUBTFUL, "about as frequent in validation (10 points more, 20 needed)"),
    ],
)
def test_the_rule(changed: dict[str, float | None], expected: str, said: str) -> None:
    found = judge_numbers({**GOOD, **changed})
    assert found.verdict == expected
    assert said in "; ".join(found.reasons)
    assert bool(found.reasons) == (expected != USABLE)
    assert ("class-balanced" in found.advice) == (expected != USABLE)


@given(st.integers(2, 4), st.integers(2, 5), st.integers(0, 1000))
def test_association_is_the_mean_distance_of_two_classes(k: int, v: int, seed: int) -> None:
    sizes = np.random.default_rng(seed).integers(0, 50, (k, v)) + np.eye(k, v, dtype=int)
    shares = [row / max(row.sum(), 1e-12) for row in sizes]
    pairs = [0.5 * abs(shares[i] - shares[j]).sum() for i in range(k) for j in range(k) if i != j]
    assert association(sizes) == pytest.approx(np.mean(pairs), abs=1e-4)
    assert 0 <= association(sizes) <= 1


def test_shift_by_hand() -> None:
    y = np.repeat([0, 1], 30)
    validation = np.tile(np.repeat([False, True], [20, 10]), 2)
    looks_like = np.zeros((60, 2))
    looks_like[:, 1] = [*[0.0] * 18, *[1.0] * 2, *[0.0] * 5, *[1.0] * 5, *[1.0] * 20, *[1.0] * 10]
    looks_like[:, 0] = 1 - looks_like[:, 1]
    assert shift(looks_like, y, validation) == pytest.approx((0.9 - 0.5 + 1 - 1) / 2)
    assert shift(looks_like, y, validation & (np.arange(60) != 59)) is None  # nine validation images of a class


def test_gain_and_cost_by_a_plain_loop() -> None:
    table = planted(5, balanced=False)
    x, y = table.features.astype(np.float64), table.y
    looks_like = np.eye(2)[(x[:, 1] > np.median(x[:, 1])).astype(int)]
    group = 2 * y + looks_like.argmax(axis=1)

    def accuracy(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        right = np.zeros(len(y))
        for seen, unseen in StratifiedKFold(5, shuffle=True, random_state=0).split(x, y):
            mean, deviation = x[seen].mean(axis=0), x[seen].std(axis=0)
            own = weights[seen] / weights[seen].mean()
            head = LogisticRegression(C=2 / len(seen), max_iter=1000).fit((x[seen] - mean) / deviation, y[seen], own)
            right[unseen] = head.predict((x[unseen] - mean) / deviation) == y[unseen]
        return np.array([right[group == g].mean() for g in range(4)])

    sizes = np.bincount(group, minlength=4)
    of_class = np.bincount(y)
    change = accuracy((1 / sizes)[group]) - accuracy((1 / of_class)[y])
    usual = [0 if sizes[0] > sizes[1] else 1, 2 if sizes[2] > sizes[3] else 3]
    unusual = [g for g in range(4) if g not in usual]
    found = gain_and_cost(x, y, looks_like)
    assert found["gain"] == pytest.approx(change[unusual].mean(), abs=1e-4)
    assert found["cost"] == pytest.approx(-change[usual].mean(), abs=1e-4)


def test_the_verdict_is_said_with_the_groups() -> None:
    table = planted(0, cue=0.0)
    _, facts = infer_groups(table, splits=("train", "val"))
    said = inferred_text(facts)
    assert facts["verdict"]["verdict"] in said
    assert facts["verdict"]["advice"] in said
    assert inferred_text({**facts, "verdict": None}).endswith("look like another class to a biased head")


def test_what_was_inferred_before_is_taken() -> None:
    table = planted(1)
    found = infer_values(table, ("train", "val"))
    assert found.posterior is not None
    again, facts = infer_groups(table, splits=("train",), found=found)
    assert facts is found.facts
    np.testing.assert_array_equal(again.posterior, found.posterior)


def test_too_many_classes_are_not_judged() -> None:
    x, y = np.random.default_rng(0).normal(size=(84, 4)), np.repeat(np.arange(21), 4)
    table = table_from_arrays(x, y, [f"class {k}" for k in range(21)], split="train")
    found = infer_values(table)
    assert (found.posterior, found.verdict, found.facts["used"]) == (None, None, False)
    with pytest.warns(DebiasWarning, match="no groups are inferred"):
        infer_groups(table)
