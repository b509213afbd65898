"""Promises: intervals over images equal their formulas and are honest about a minimum; paired differences use that
methods are judged on the same images and seeds. That intervals contain the truth is tested in tests/studies."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, norm, ttest_rel

from debias_pt.errors import UsageError
from debias_pt.groups import paired
from debias_pt.groups.intervals import (
    contenders,
    effective_images,
    student_interval,
    wilson_bounds,
    wilson_interval,
    worst_group_interval,
)
from debias_pt.groups.paired import average_difference, worst_group_difference

answers = st.integers(0, 10**6).map(lambda seed: np.random.default_rng(seed))


@given(n=st.integers(1, 500), share=st.floats(0, 1))
def test_wilson_equals_scipy(n: int, share: float) -> None:
    k = round(share * n)
    theirs = binomtest(k, n).proportion_ci(method="wilson")
    assert wilson_interval(k, n) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_student_equals_a_paired_t_test() -> None:
    a, b = np.random.default_rng(0).random((2, 6))
    theirs = ttest_rel(a, b).confidence_interval()
    assert student_interval(a - b) == pytest.approx((theirs.low, theirs.high))


@given(n=st.integers(1, 60), runs=st.integers(1, 6), rng=answers)
def test_effective_images_equal_plain_loops(n: int, runs: int, rng: np.random.Generator) -> None:
    right = rng.random((runs, n)) < rng.random(n)
    by_image = [sum(bool(right[r, i]) for r in range(runs)) / runs for i in range(n)]
    mean = sum(by_image) / n
    spread = sum((one - mean) ** 2 for one in by_image)
    alone = sum(p * (1 - p) for p in (right[r].sum() / n for r in range(runs))) * n / runs
    smoothed = (mean * n + 2) / (n + 4)
    prior = 4 * smoothed * (1 - smoothed)
    found = effective_images(right)
    assert found == pytest.approx(n * (alone + prior) / (spread + prior))
    assert found >= n - 1e-9
    assert effective_images(right[:1]) == pytest.approx(n)
    assert effective_images(np.repeat(right[:1], 3, axis=0)) == pytest.approx(n)


@given(rng=answers, groups=st.integers(1, 6), runs=st.integers(1, 4))
def test_the_worst_groups_interval_contains_its_estimate(rng: np.random.Generator, groups: int, runs: int) -> None:
    accuracy, images = rng.random((runs, groups)), rng.integers(5, 500, groups).astype(float)
    low, high = worst_group_interval(accuracy, images)
    assert 0 <= low <= accuracy.min(axis=1).mean() <= high <= 1
    order = rng.permutation(groups)
    assert worst_group_interval(accuracy[:, order], images[order]) == pytest.approx((low, high))


def test_a_clearly_worst_groups_interval_is_wilsons() -> None:
    alone = wilson_interval(30, 60)
    assert worst_group_interval(np.array([[0.5]]), np.array([60.0])) == pytest.approx(alone)
    assert worst_group_interval(np.array([[0.9, 0.5, 0.95]]), np.array([60.0] * 3)) == pytest.approx(alone)


def test_the_more_groups_may_be_the_worst_the_wider_the_interval() -> None:
    ends = [worst_group_interval(np.full((1, m), 0.5), np.full(m, 100.0)) for m in (1, 2, 4, 9)]
    widths = [high - low for low, high in ends]
    assert widths[0] == pytest.approx(widths[1])
    assert widths[1] < widths[2] < widths[3]
    low, high = (float(end) for end in wilson_bounds(np.array(0.5), np.array(100.0), 0.05 / 4))
    assert ends[2] == pytest.approx((low, high))
    z = norm.ppf(1 - 0.05 / 4)
    assert high - low == pytest.approx(z / (1 + z * z / 100) * math.sqrt(1 / 100 + z * z / 100**2))
    assert contenders(np.array([0.5, 0.55, 0.9]), np.full(3, 100.0)).tolist() == [True, True, False]


# Differences.


def by_loops(right: np.ndarray, other: np.ndarray) -> tuple[float, float, float]:
    """Mean, standard error and degrees of freedom, one number at a time."""
    runs, n = right.shape
    d = [[float(right[r, i]) - float(other[r, i]) for i in range(n)] for r in range(runs)]
    of_run = [sum(row) / n for row in d]
    of_image = [sum(d[r][i] for r in range(runs)) / runs for i in range(n)]
    mean = sum(of_run) / runs
    images = (sum((one - mean) ** 2 for one in of_image) + 1) / (n * (n + 2))
    seeds = sum((one - mean) ** 2 for one in of_run) / (runs - 1) / runs
    rest = sum((d[r][i] - of_run[r] - of_image[i] + mean) ** 2 for r in range(runs) for i in range(n))
    rest /= (runs - 1) * (n - 1) * runs * n
    total = max(images + seeds - rest, images, seeds)
    return mean, math.sqrt(total), total**2 / (images**2 / (n - 1) + seeds**2 / (runs - 1))


@given(rng=answers, runs=st.integers(2, 5), n=st.integers(2, 80))
def test_average_difference_equals_plain_loops(rng: np.random.Generator, runs: int, n: int) -> None:
    from scipy.stats import t

    right, other = rng.random((2, runs, n)) < rng.random((2, 1, n))
    mean, error, freedom = by_loops(right, other)
    found = average_difference(right, other)
    half = t.ppf(0.975, freedom) * error
    assert found.mean == pytest.approx(mean)
    assert found.interval == pytest.approx((max(-1, mean - half), min(1, mean + half)))
    one_group = worst_group_difference(right, other, np.zeros(n, dtype=np.int64))
    assert one_group.mean == pytest.approx(mean)
    assert one_group.interval == pytest.approx(found.interval)


@given(rng=answers, runs=st.integers(1, 5))
def test_worst_group_difference_is_that_of_the_minima_and_antisymmetric(rng: np.random.Generator, runs: int) -> None:
    index = rng.integers(0, 3, 90)
    right, other = rng.random((2, runs, 90)) < rng.random((2, 1, 90))

    def worst(rows: np.ndarray) -> float:
        return float(np.mean([min(row[index == g].mean() for g in np.unique(index)) for row in rows]))

    found, back = worst_group_difference(right, other, index), worst_group_difference(other, right, index)
    assert found.mean == pytest.approx(worst(right) - worst(other))
    assert found.interval[0] <= found.mean <= found.interval[1]
    # min-max and max-min may differ, so the ends of the two need not be the same; both must hold the same estimate.
    assert back.mean == pytest.approx(-found.mean)


def test_the_same_images_make_a_difference_surer() -> None:
    rng = np.random.default_rng(0)
    right = rng.random((1, 400)) < 0.7
    other = right ^ (rng.random((1, 400)) < 0.02)
    paired = average_difference(right, other).interval
    shuffled = average_difference(right, rng.permuted(other, axis=1)).interval
    assert paired[1] - paired[0] < 0.3 * (shuffled[1] - shuffled[0])


def test_methods_that_agree_are_not_taken_for_equal() -> None:
    right = np.ones((3, 20), dtype=bool)
    found = average_difference(right, right)
    assert found.mean == 0
    assert 0.05 < found.interval[1] == -found.interval[0] < 0.2


def test_a_method_without_seeds_is_compared_with_every_seed() -> None:
    rng = np.random.default_rng(0)
    one, five, index = rng.random((1, 60)) < 0.8, rng.random((5, 60)) < 0.7, np.repeat([0, 1], 30)
    repeated = np.repeat(one, 5, axis=0)
    assert average_difference(one, five) == average_difference(repeated, five)
    assert worst_group_difference(five, one, index) == worst_group_difference(five, repeated, index)


@pytest.mark.parametrize("shape", [(2, 60), (5, 61)])
def test_other_images_or_seeds_are_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="a difference needs the same images and seeds"):
        average_difference(np.ones((5, 60), dtype=bool), np.ones(shape, dtype=bool))


def test_no_interval_is_wider_than_differences_can_be() -> None:
    """Also where groups have one image, and many may be the worst."""
    right, other = np.random.default_rng(0).random((2, 1, 60)) < 0.5
    of_groups = worst_group_difference(right, other, np.arange(60) // 2 * 2)
    alone = worst_group_difference(right, other, np.arange(60))
    few = average_difference(right[:, :2], other[:, :2])
    for found in (of_groups, alone, few):
        low, high = found.interval
        assert -1 <= low <= found.mean <= high <= 1


def test_wilson_bounds_stay_in_range_and_widen_as_the_tail_shrinks() -> None:
    low, high = wilson_bounds(np.array([0.0, 1.0]), np.array([4.0, 4.0]), 0.025)
    assert (low[0], high[1]) == (0.0, 1.0)
    assert 0 < high[0] < 1
    assert high[0] == pytest.approx(1 - low[1])
    assert wilson_bounds(np.array(0.5), np.array(4.0), 0.05)[0] > wilson_bounds(np.array(0.5), np.array(4.0), 0.025)[0]


def test_contenders_reach_below_the_lowest_upper_end() -> None:
    """Of 100 images each: .5 reaches .596 up; .6 reaches .502 down, .75 reaches .657 down."""
    assert contenders(np.array([0.5, 0.6, 0.75]), np.full(3, 100.0)).tolist() == [True, True, False]


def test_a_difference_of_two_methods_on_four_images() -> None:
    """One run: right about 4 and 2 of 4. Variance (4 x .25 + 1) / 24, Student's t of 3 degrees of freedom 3.182."""
    one, other = np.array([[1, 1, 1, 1]], dtype=bool), np.array([[1, 1, 0, 0]], dtype=bool)
    found = average_difference(one, other)
    half = 3.18245 * math.sqrt(2 / 24)
    assert found.mean == 0.5
    assert found.interval == pytest.approx((0.5 - half, 1), abs=1e-4)  # 1.42, cut to what there can be
    assert found.to_dict() == {"mean": 0.5, "ci": list(found.interval)}
    back = average_difference(other, one)
    assert (back.mean, back.interval[0]) == pytest.approx((-0.5, -found.interval[1]))


def test_two_methods_keep_their_places_in_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variances of two images: (0.5 + 1) / 8 where one is right, (0 + 1) / 8 where both are."""
    one, two = np.array([[1.0, 0, 1, 1]]), np.ones((1, 4))
    inside = [np.array([True, True, False, False]), np.array([False, False, True, True])]
    images, _ = paired._pair_variances(one, two, inside)
    assert images[0, 1] == pytest.approx(0.1875 + 0.125)
    assert images[1, 0] == pytest.approx(0.125 + 0.125)
    seen: list[tuple[float, float]] = []
    whole = paired._pair_variances

    def spy(first: Any, second: Any, groups: Any) -> Any:
        seen.append((float(first.sum()), float(second.sum())))
        return whole(first, second, groups)

    monkeypatch.setattr(paired, "_pair_variances", spy)
    found = paired.worst_group_difference(one > 0, two > 0, np.array([0, 0, 1, 1]))
    assert seen == [(3.0, 4.0)]
    assert found.mean == -0.5
