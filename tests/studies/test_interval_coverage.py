"""Promises: of 1,000 draws, 93 to 97 in 100 have an interval that contains the truth."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from debias_pt.groups.intervals import effective_images, wilson_interval
from studies import interval_coverage as coverage

DESIGNS = {design.name: design for design in coverage.DESIGNS}
WORST, TWO, FOUR, NINE = list(DESIGNS)[:4]


@pytest.mark.parametrize(
    ("name", "check", "runs"),
    [
        (WORST, coverage.covers_group, 1),
        (WORST, coverage.covers_group, 5),
        (WORST, coverage.covers_worst, 5),
        (TWO, coverage.covers_worst, 5),
        (FOUR, coverage.covers_worst, 1),
        (FOUR, coverage.covers_worst, 5),
        (NINE, coverage.covers_worst, 5),
        (WORST, coverage.covers_average_difference, 5),
        (WORST, coverage.covers_worst_difference, 1),
        (WORST, coverage.covers_worst_difference, 5),
        (FOUR, coverage.covers_worst_difference, 5),
    ],
)
def test_intervals_contain_the_truth(name: str, check: Callable[..., bool], runs: int) -> None:
    assert 0.93 <= coverage.coverage(DESIGNS[name], check, runs) <= 0.97


def test_the_interval_of_the_group_that_looks_worst_would_not_do() -> None:
    """What the correction is for: of four equal groups the lowest is too low by chance."""

    def naive(design: coverage.Design, one: coverage.Draw) -> bool:
        by_group = [one.right[:, one.index == g] for g in range(4)]
        lowest = min(by_group, key=lambda right: float(right.mean()))
        images = effective_images(lowest)
        interval = wilson_interval(float(lowest.mean()) * images, images)
        return coverage.inside(interval, float(one.by_run[0].min(axis=1).mean()))

    assert coverage.coverage(DESIGNS[FOUR], naive, 5) < 0.93
