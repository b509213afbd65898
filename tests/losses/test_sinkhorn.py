"""Promises: a plan has the sums it should have, is POT's, does not depend on its neighbours, and stays finite."""

from __future__ import annotations

import math

import numpy as np
import ot
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from debias_pt.errors import UsageError
from debias_pt.losses.sinkhorn import sinkhorn


def random_cost(seed: int, *shape: int, scale: float = 1.0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * scale


def random_sums(seed: int, n: int) -> torch.Tensor:
    values = 0.1 + random_cost(seed, n)
    return values / values.sum()


@given(
    seed=st.integers(0, 10**6), n=st.integers(1, 12), k=st.integers(1, 6), epsilon=st.floats(0.2, 5),
    uniform=st.booleans(),
)  # fmt: skip
def test_a_plan_has_its_sums(seed: int, n: int, k: int, epsilon: float, uniform: bool) -> None:
    row, column = (None, None) if uniform else (random_sums(seed, n), random_sums(seed + 1, k))
    plan = sinkhorn(random_cost(seed, n, k), epsilon, row=row, column=column, iterations=10_000, tolerance=1e-7)
    assert bool((plan >= 0).all())
    assert torch.allclose(plan.sum(-1), torch.full((n,), 1 / n).double() if row is None else row, atol=1e-9)
    assert torch.allclose(plan.sum(-2), torch.full((k,), 1 / k).double() if column is None else column, atol=1e-7)


@pytest.mark.parametrize("epsilon", [0.02, 0.1, 1.0])
@pytest.mark.parametrize("method", ["sinkhorn", "sinkhorn_log"])
def test_a_plan_is_that_of_pot(epsilon: float, method: str) -> None:
    cost, row, column = random_cost(1, 9, 4), random_sums(2, 9), random_sums(3, 4)
    wanted = ot.sinkhorn(
        row.numpy(), column.numpy(), cost.numpy(), epsilon, method=method, numItermax=100_000, stopThr=1e-12
    )
    found = sinkhorn(cost, epsilon, row=row, column=column, iterations=100_000, tolerance=1e-11)
    assert found.numpy() == pytest.approx(wanted, abs=1e-9)


def test_a_small_epsilon_goes_to_the_plan_of_least_cost() -> None:
    cost = random_cost(4, 8, 4)
    exact = ot.emd(np.full(8, 1 / 8), np.full(4, 1 / 4), cost.numpy())
    plan = sinkhorn(cost, 2e-3, iterations=5000, tolerance=1e-3)
    assert plan.numpy() == pytest.approx(exact, abs=1e-3)


def test_each_problem_is_solved_as_if_it_were_alone() -> None:
    cost = torch.stack([random_cost(5, 7, 3), random_cost(6, 7, 3, scale=30.0)])
    both = sinkhorn(cost, 0.1)
    assert torch.equal(both[0], sinkhorn(cost[0], 0.1))
    assert torch.equal(both[1], sinkhorn(cost[1], 0.1))


def test_a_constant_for_each_row_changes_nothing() -> None:
    """Log-softmax of logits as cost is therefore as good as the logits, and a log-softmax of p as good as p."""
    cost = random_cost(7, 6, 3)
    p = cost.softmax(-1)
    assert torch.allclose(sinkhorn(cost + random_cost(8, 6, 1), 0.1), sinkhorn(cost, 0.1), atol=1e-9)
    assert torch.allclose(sinkhorn(-p.log_softmax(-1), 0.01), sinkhorn(-p, 0.01), atol=1e-9)


def test_costs_that_underflow_stay_finite() -> None:
    plan = sinkhorn(random_cost(9, 20, 5, scale=1e4), 1e-2, iterations=50)
    assert bool(plan.isfinite().all())
    assert plan.sum().item() == pytest.approx(1)


def test_bad_input_is_refused() -> None:
    for epsilon, iterations in ((0.0, 10), (-1.0, 10), (float("nan"), 10), (1.0, 0)):
        with pytest.raises(UsageError, match="expected"):
            sinkhorn(torch.zeros(2, 2), epsilon, iterations=iterations)
    with pytest.raises(UsageError, match="not finite"):
        sinkhorn(torch.tensor([[0.0, torch.inf]]), 1.0)


def test_a_plan_after_no_and_one_correction() -> None:
    """exp(-cost) is 1, 1/3; 1, 1. Rows first: 3/8, 1/8; 1/4, 1/4. Columns are then 5/8 and 3/8, wanted 1/2 each."""
    cost = torch.tensor([[0.0, math.log(3)], [0.0, 0.0]])
    rows = [[3 / 8, 1 / 8], [1 / 4, 1 / 4]]
    for options in ({"tolerance": 0.4}, {"tolerance": 1e9}):
        assert torch.allclose(sinkhorn(cost, 1.0, **options), torch.tensor(rows).double(), atol=1e-7)
    # Columns times 4/5 and 4/3, rows to a half again: 9/14, 5/14 and 3/8, 5/8 of it.
    once = torch.tensor([[9 / 28, 5 / 28], [3 / 16, 5 / 16]]).double()
    assert torch.allclose(sinkhorn(cost, 1.0, tolerance=0.0, iterations=1), once, atol=1e-7)
    assert torch.allclose(sinkhorn(2 * cost, 2.0, tolerance=0.0, iterations=1), once, atol=1e-7)
