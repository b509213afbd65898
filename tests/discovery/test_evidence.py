"""Promises: the share of errors explained is a share, equals plain counting, and its interval holds it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from debias_pt.discovery.evidence import attributable, explain


def draw(seed: int, skew: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, 600)
    values = np.where(rng.random(600) < skew, y % 2, 1 - y % 2)
    wrong = rng.random(600) < np.where(values == y % 2, 0.05, 0.4)
    return values, y, wrong


def test_by_plain_counting() -> None:
    values, y, wrong = draw(0, 0.8)
    found = explain(values, y, wrong, 3, 2)
    assert found.usual.tolist() == [0, 1, 0]
    extra = 0.0
    for k in range(3):
        usual = wrong[(y == k) & (values == found.usual[k])].mean()
        other = wrong[(y == k) & (values != found.usual[k])]
        extra += max(other.mean() - usual, 0) * len(other)
    assert found.explained == pytest.approx(extra / wrong.sum())
    assert found.counts.sum() == 600
    assert found.errors.sum() == wrong.sum()
    assert found.interval[0] <= found.explained <= found.interval[1]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.05, 0.95))
def test_it_is_a_share(seed: int, skew: float) -> None:
    found = explain(*draw(seed, skew), 3, 2)
    assert 0 <= found.interval[0] <= found.interval[1] <= 1
    assert 0 <= found.explained <= 1


def test_values_that_say_nothing_explain_little() -> None:
    rng = np.random.default_rng(0)
    y, values, wrong = rng.integers(0, 2, 4000), rng.integers(0, 2, 4000), rng.random(4000) < 0.1
    assert explain(values, y, wrong, 2, 2).explained < 0.15


def test_no_errors_explain_nothing() -> None:
    zeros = np.zeros((1, 2, 2), dtype=int)
    assert attributable(zeros + 5, zeros, np.array([0, 1])).tolist() == [0.0]
