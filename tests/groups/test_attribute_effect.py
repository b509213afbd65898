"""Promises: the gap and its bootstrap are what plain loops over images give, by group, reproducible."""

from __future__ import annotations

import numpy as np
import pytest

from debias_pt.errors import UsageError
from debias_pt.groups.attribute_effect import PairedBootstrap, usual_values
from debias_pt.groups.groups import Groups

RNG = np.random.default_rng(0)
Y, A = RNG.integers(2, size=400), RNG.integers(3, size=400)
GROUPS = Groups(Y, np.eye(3)[A], ("cat", "dog"), ("in", "out", "far"), "true")
ONE, TWO = (np.where(RNG.random((2, 400)) < share, Y, 1 - Y) for share in (0.8, 0.6))


def test_values_are_those_of_plain_loops() -> None:
    bootstrap = PairedBootstrap([ONE, TWO], GROUPS, replicates=50)
    rows = np.arange(400)
    usual = np.array([0, 2])
    gaps = []
    for run in ONE:
        by_class = []
        for k in range(2):
            right = [run[i] == Y[i] for i in rows if Y[i] == k and A[i] == usual[k]]
            others = [run[i] == Y[i] for i in rows if Y[i] == k and A[i] != usual[k]]
            by_class.append(np.mean(right) - np.mean(others))
        gaps.append(np.mean(by_class))
    gap = bootstrap.usual_gap(usual)
    assert gap is not None
    assert gap.mean == pytest.approx(np.mean(gaps))


def test_the_interval_is_that_of_resampling_images_one_by_one() -> None:
    usual = np.array([0, 2])
    gap = PairedBootstrap([ONE[:1]], GROUPS, replicates=4000).usual_gap(usual)
    assert gap is not None
    rng, members = np.random.default_rng(1), [np.flatnonzero(GROUPS.index == g) for g in range(6)]
    found = []
    for _ in range(1500):
        right = [ONE[0][rows] == Y[rows] for rows in (rng.choice(own, len(own)) for own in members)]
        cats = right[0].mean() - np.concatenate([right[1], right[2]]).mean()
        dogs = right[5].mean() - np.concatenate([right[3], right[4]]).mean()
        found.append((cats + dogs) / 2)
    assert gap.interval == pytest.approx(np.percentile(found, [2.5, 97.5]).tolist(), abs=0.02)


def test_it_is_reproducible() -> None:
    usual = np.array([0, 2])
    first, second = (PairedBootstrap([ONE, TWO], GROUPS).usual_gap(usual) for _ in range(2))
    assert first is not None
    assert first == second
    assert first.interval[0] < first.mean < first.interval[1]


def test_a_class_without_unusual_images_is_left_out() -> None:
    y, a = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 1])
    groups = Groups(y, np.eye(2)[a], ("cat", "dog"), ("in", "out"), "true")
    predictions = np.array([[0, 0, 1, 1, 0]])
    gap = PairedBootstrap([predictions], groups, replicates=20).usual_gap(usual_values(groups))
    assert gap is not None
    assert gap.mean == pytest.approx(1.0)  # cats: 2 of 2 inside, 0 of 1 outside
    dogs = Groups(y[3:], np.eye(2)[a[3:]], ("cat", "dog"), ("in", "out"), "true")
    assert PairedBootstrap([predictions[:, 3:]], dogs, replicates=20).usual_gap(np.array([0, 1])) is None


def test_predictions_of_other_images_are_refused() -> None:
    with pytest.raises(UsageError, match="predictions have shapes"):
        PairedBootstrap([ONE, TWO[:, 1:]], GROUPS)
