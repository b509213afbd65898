"""Promises: minibatches come in the order of seed and epoch, every row once; a fit's data are rows of a table."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from debias_pt.groups.groups import Groups
from debias_pt.training.data import FitData, Minibatches, _permutation, membership_of
from debias_pt.utils.membership import Membership
from tests.helpers.gaussian_fit import TABLE, TRUE

pytestmark = pytest.mark.usefixtures("one_thread")


def test_orders_are_those_of_seed_and_epoch() -> None:
    """A resumed run must find the orders it began with; no epoch shares a stream with a seed's first draw."""
    for seed, epoch in ((0, 0), (0, 1), (3, 2)):
        generator = torch.Generator().manual_seed((seed + 1) * 1_000_003 + epoch)
        assert torch.equal(_permutation(9, seed, epoch), torch.randperm(9, generator=generator))
    batches = Minibatches(7, 3, seeds=[5])
    assert batches.per_epoch == 3
    assert batches.rows(2).shape == (1, 1)  # type: ignore[union-attr]
    assert torch.equal(batches.rows(4)[0], _permutation(7, 5, 1)[3:6])  # type: ignore[index]
    assert Minibatches(0, None, seeds=[0]).per_epoch == 1
    assert not batches.whole
    assert Minibatches(7, 7, seeds=[0]).whole


def test_blocks_are_shuffled_and_so_are_the_rows_of_a_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten rows in blocks of two, two blocks a pool: neighbours stay in one pool."""
    monkeypatch.setattr("debias_pt.training.data.POOL", 2)
    found = _permutation(9, 0, 0, 2)
    assert sorted(found.tolist()) == list(range(9))
    generator = torch.Generator().manual_seed(1_000_003)
    starts = (torch.randperm(5, generator=generator) * 2).tolist()
    order = [row for start in starts for row in (start, start + 1) if row < 9]
    pools = [order[:4], order[4:8], order[8:]]
    expected = [pool[i] for pool in pools for i in torch.randperm(len(pool), generator=generator).tolist()]
    assert found.tolist() == expected


def test_fields_of_another_number_of_runs_are_named() -> None:
    y, features = torch.zeros(3, dtype=torch.long), torch.zeros(3, 8)
    FitData(features.expand(2, 3, 8), y.expand(2, 3), Membership(y.expand(2, 3), 1)).require_runs(2)
    FitData(features, y, Membership(y, 1)).require_runs(7)
    for wrong, name in (
        (FitData(features.expand(2, 3, 8), y, Membership(y, 1)), r"features has shape \(2, 3, 8\); 3 runs expected"),
        (FitData(features, y.expand(2, 3), Membership(y, 1)), r"y has shape \(2, 3\)"),
        (FitData(features, y, Membership(y.expand(2, 3), 1)), r"membership has shape \(2, 3\)"),
    ):
        with pytest.raises(ValueError, match=name):
            wrong.require_runs(3)


def test_memberships_are_hard_unless_asked_for() -> None:
    posterior = np.array([[0.75, 0.25], [0.5, 0.5]])
    soft = Groups(np.array([0, 1]), posterior, ("a", "b"), ("in", "out"), "pseudo")
    assert membership_of(soft).shares is None
    assert membership_of(soft).first.tolist() == [0, 2]
    asked = membership_of(soft, soft=True)
    assert asked.shares is not None
    assert asked.shares.tolist() == posterior.tolist()
    assert (asked.first.tolist(), asked.n_groups, asked.shares.dtype) == ([0, 2], 4, torch.float32)
    hard = Groups(np.array([0, 1]), np.array([1, 1]), ("a", "b"), ("in", "out"), "true")
    assert membership_of(hard, soft=True).shares is None
    assert membership_of(hard, soft=True).first.tolist() == [1, 3]


def test_some_rows_of_a_table() -> None:
    table = replace(TABLE, features=TABLE.features.astype(np.float16))
    some = FitData.of(table, TRUE.rows(np.array([5, 2])), torch.device("cpu"), rows=np.array([5, 2]))
    assert some.features.dtype == torch.float32
    assert torch.equal(some.features, torch.from_numpy(table.features[[5, 2]].astype(np.float32)))  # type: ignore[arg-type]
    assert some.y.tolist() == table.y[[5, 2]].tolist()
    assert len(some) == 2


@given(n=st.integers(1, 40), batch=st.integers(1, 45), epoch=st.integers(0, 3))
def test_every_epoch_sees_every_row_once(n: int, batch: int, epoch: int) -> None:
    steps = 1 if batch >= n else math.ceil(n / batch)
    batches = Minibatches(n, batch, seeds=[0, 9])
    seen = [batches.rows(epoch * steps + i) for i in range(steps)]
    assert [batches.starts_epoch(epoch * steps + i) for i in range(steps)] == [True] + [False] * (steps - 1)
    if batch >= n:
        assert seen == [slice(None)]
    else:
        for run in range(2):
            assert sorted(torch.cat([rows[run] for rows in seen]).tolist()) == list(range(n))  # type: ignore[index]
