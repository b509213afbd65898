"""Promises: the mixture is scikit-learn's and plain regressions', and what a small case gives by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn.covariance import oas
from sklearn.mixture import GaussianMixture

from debias_pt.groups.refinement import (
    RefinementError,
    fit_mixture,
)
from debias_pt.groups.refinement.confirmation import apart
from debias_pt.groups.refinement.mixture import AttributeMixture, maximise, shrunk

ONE_CLASS = np.zeros(4, dtype=np.int64)
FOUR = np.array([[0.0], [2.0], [4.0], [6.0]])
FIRST_TWO = np.eye(2)[[0, 0, 1, 1]]


def test_a_mixture_in_one_dimension() -> None:
    """Means 0 and 2, variance 4: the log-likelihood ratio is x / 2 - 1 / 2, the distance 1."""
    mixture = AttributeMixture(np.zeros((1, 1)), np.array([[0.0], [2.0]]), np.array([[4.0]]), np.array([[0.5, 0.5]]))
    weights, bias = mixture.linear()
    assert (weights.tolist(), bias.tolist()) == ([[0], [0.5]], [[0, -0.5]])
    found = mixture.log_likelihood(np.array([[1.0], [0.0]]), np.array([0, 0]))
    constant = -0.5 * math.log(2 * math.pi * 4)
    assert found[0] == pytest.approx([constant - 1 / 8, constant - 1 / 8])
    assert found[1] == pytest.approx([constant, constant - 1 / 2])
    assert mixture.separation == pytest.approx(1)
    moved = replace(mixture, base=np.array([[3.0]]))
    assert moved.linear()[1].tolist() == [[0, -2]]


def test_the_likeliest_mixture_of_four_rows() -> None:
    """Rows 0, 2 and 4, 6: means 1 and 5, variance 1, shares 1/2."""
    x = FOUR - 3
    found = maximise(x, x.T @ x, np.ones((4, 1)), FIRST_TWO, class_effects=True)
    assert found.base[0, 0] + 3 == pytest.approx(1)
    assert found.effect[:, 0].tolist() == pytest.approx([0, 4])
    assert found.covariance[0, 0] == pytest.approx(1)
    assert found.prior[0] == pytest.approx([0.5, 0.5])
    assert apart(FOUR, ONE_CLASS, FIRST_TWO) == pytest.approx(4)


def test_shares_of_a_class_take_one_sample_of_all() -> None:
    """Class 0 has three of the first value, class 1 one of the second: (3 + 3/4) / 4 and (0 + 3/4) / 2."""
    classes, share = np.eye(2)[[0, 0, 0, 1]], np.eye(2)[[0, 0, 0, 1]]
    x = FOUR - 3
    found = maximise(x, x.T @ x, classes, share, class_effects=False)
    assert found.prior.tolist() == pytest.approx(np.array([[3.75 / 4, 0.25 / 4], [0.75 / 2, 1.25 / 2]]))
    assert found.base[0] == pytest.approx(found.base[1])  # classes move nothing
    with pytest.raises(RefinementError, match="value 1 of 2 is left without samples"):
        maximise(x, x.T @ x, np.ones((4, 1)), np.array([[1.0, 0]] * 3 + [[0.5, 0.5]]), class_effects=True)


def test_fitting_goes_on_until_nothing_moves_or_steps_end() -> None:
    x = np.array([[-5.0], [-5.2], [-4.8], [5.0], [5.2], [4.8]])
    y = np.zeros(6, dtype=np.int64)
    start = np.eye(2)[[0, 0, 0, 1, 1, 1]]
    mixture, share = fit_mixture(x, y, start, n_classes=1, class_effects=False)
    assert mixture.iterations == 1  # the first answers were right
    assert share.argmax(axis=1).tolist() == [0, 0, 0, 1, 1, 1]
    assert (mixture.base[0, 0], mixture.base[0, 0] + mixture.effect[1, 0]) == pytest.approx((-5, 5))
    slow = np.array([[0.6, 0.4]] * 3 + [[0.4, 0.6]] * 3)
    assert fit_mixture(x, y, slow, n_classes=1, class_effects=False, max_iterations=2)[0].iterations == 2
    told = np.array([[0.0, 1e6]] * 6)  # evidence for the second value everywhere
    with pytest.raises(RefinementError, match="left without samples"):
        fit_mixture(x, y, start, n_classes=1, class_effects=False, evidence=told, weight=0.5)


def test_what_does_not_vary_has_no_covariance() -> None:
    with pytest.raises(RefinementError, match="do not vary within groups"):
        shrunk(np.zeros((2, 2)), 5)
    assert shrunk(np.eye(3), 5) == pytest.approx(np.eye(3))


def test_mixture_in_one_dimension_is_scikit_learns() -> None:
    """Of one class, without evidence: nothing to shrink, nothing to smooth."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(-2, 1, 300), rng.normal(1.5, 1, 100)])[:, None]
    start = np.eye(2)[(x[:, 0] > 0).astype(int)]
    means = np.stack([x[start[:, v] == 1].mean(axis=0) for v in (0, 1)])
    theirs = GaussianMixture(
        2, covariance_type="tied", means_init=means, weights_init=start.mean(axis=0), tol=1e-9, max_iter=2000
    ).fit(x)
    y = np.zeros(400, dtype=np.int64)
    ours, share = fit_mixture(x, y, start, n_classes=1, class_effects=False, max_iterations=2000, tolerance=1e-9)
    assert ours.base[0] + ours.effect == pytest.approx(theirs.means_, abs=1e-3)
    assert ours.prior[0] == pytest.approx(theirs.weights_, abs=1e-3)
    assert share == pytest.approx(theirs.predict_proba(x), abs=1e-3)
    assert ours.objective == pytest.approx(theirs.score(x), abs=1e-5)


@pytest.mark.parametrize(("n", "d"), [(5, 12), (30, 12), (400, 3), (20, 1)])
def test_shrinkage_is_scikit_learns(n: int, d: int) -> None:
    x = np.random.default_rng(n).normal(size=(n, d)) @ np.diag(np.arange(1.0, d + 1))
    covariance = x.T @ x / n
    assert shrunk(covariance, n) == pytest.approx(oas(x, assume_centered=True)[0].reshape(d, d))


def test_each_column_has_class_effects_or_not() -> None:
    """By ordinary regressions, column by column, and a residual covariance row by row."""
    rng = np.random.default_rng(1)
    x, y, a = rng.normal(size=(40, 3)), np.arange(40) % 2, rng.integers(0, 2, 40)
    x = x - x.mean(axis=0)
    share, free = np.eye(2)[a], np.array([False, True, True])
    found = maximise(x, x.T @ x, np.eye(2)[y], share, class_effects=free)
    fitted = np.zeros_like(x)
    for column in range(3):
        base = np.eye(2)[y] if free[column] else np.ones((40, 1))
        design = np.hstack([base, share[:, 1:]])
        fitted[:, column] = design @ np.linalg.lstsq(design, x[:, column], rcond=None)[0]
        assert found.effect[1, column] == pytest.approx(
            np.linalg.lstsq(design, x[:, column], rcond=None)[0][-1], abs=1e-9
        )
    assert found.base[0, 0] == pytest.approx(found.base[1, 0])
    from debias_pt.groups.refinement.mixture import shrunk

    residual = x - fitted
    assert found.covariance == pytest.approx(shrunk(sum(np.outer(r, r) for r in residual) / 40, 40))
