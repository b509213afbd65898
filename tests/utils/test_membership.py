"""Promise: an integer per sample, or a posterior over neighbouring groups, gives what the matrix of groups gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from debias_pt.datasets.attributes import PseudoAttribute, TrueAttribute
from debias_pt.errors import DebiasWarning
from debias_pt.groups.groups import Groups
from debias_pt.reweighting import REWEIGHTERS, make_reweighter
from debias_pt.training.data import membership_of
from debias_pt.utils.membership import Membership, group_means

K, A, N = 3, 4, 50


def some_groups(seed: int, *, hard: bool) -> Groups:
    rng = np.random.default_rng(seed)
    y, names = rng.integers(0, K, N), tuple("abc")
    if hard:
        return Groups.true(y, names, [TrueAttribute(tuple("wxyz"), rng.integers(0, A, N))])
    return Groups.pseudo(y, names, [PseudoAttribute("p", tuple("wxyz"), rng.dirichlet(np.ones(A), N))])


@pytest.mark.parametrize("hard", [True, False])
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_sums_means_and_values_are_those_of_the_matrix(hard: bool, seed: int) -> None:
    groups = some_groups(seed, hard=hard)
    matrix, found = torch.from_numpy(groups.membership(soft=True)), membership_of(groups, soft=True)
    values = torch.rand(2, N, dtype=torch.float64)
    weights = torch.rand(2, K * A, dtype=torch.float64)
    assert torch.allclose(found.sizes().double(), matrix.sum(dim=0), atol=1e-5)
    assert torch.allclose(found.sums(values), values @ matrix, atol=1e-5)
    assert torch.allclose(found.of_samples(weights), (matrix @ weights.T).T, atol=1e-5)
    by_loop = [
        [float((v * matrix[:, g]).sum() / max(float(matrix[:, g].sum()), 1e-12)) for g in range(12)] for v in values
    ]
    assert torch.allclose(found.means(values)[0], torch.tensor(by_loop, dtype=torch.float64), atol=1e-4)
    assert torch.equal(found.likeliest(), matrix.argmax(dim=1))
    assert np.allclose(groups.sizes(soft=True), matrix.sum(dim=0).numpy())


def test_rows_may_be_each_runs_own() -> None:
    one, two = (membership_of(some_groups(seed, hard=True)) for seed in (1, 2))
    rows = torch.tensor([[0, 3, 3], [9, 8, 7]])
    both = Membership.stack([one, two]).at(rows)
    values = torch.rand(2, 3)
    for run, alone in enumerate((one, two)):
        assert torch.equal(both.sums(values)[run], alone.at(rows[run]).sums(values[run]))
    assert torch.equal(one.at(rows).first, one.first[rows])


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize(
    "name", ["erm", "balanced", "class-balanced", "dpt", "group-dro", "balanced-within-class", "cvar"]
)
def test_every_scheduler_gives_the_weights_it_gives_for_the_matrix(name: str, soft: bool) -> None:
    assert name in REWEIGHTERS
    groups = some_groups(5, hard=not soft)
    matrix = torch.from_numpy(groups.membership(soft=soft)).float()
    of_class = torch.from_numpy(groups.class_of_group)
    compact, dense = make_reweighter(name), make_reweighter(name)
    found = membership_of(groups, soft=soft)
    compact.start(found, of_class, 2)
    dense.start(matrix, of_class, 2)
    for _ in range(3):
        p = torch.rand(2, N).clamp_min(0.05)
        assert torch.allclose(compact(p, -p.log(), found), dense(p, -p.log(), matrix), rtol=1e-5, atol=1e-6)
        assert torch.allclose(compact.weights_, dense.weights_, rtol=1e-5, atol=1e-6)


def test_a_sum_of_many_small_values_keeps_its_digits() -> None:
    values = torch.full((1, 3_000_000), 0.1)
    means, _ = group_means(values, Membership(torch.zeros(3_000_000, dtype=torch.long), 1))
    assert float(means) == pytest.approx(0.1, rel=1e-6)


def test_memory_does_not_grow_with_the_number_of_groups() -> None:
    rows, names = 100_000, tuple(map(str, range(1000)))
    y = np.arange(rows) % 1000
    groups = Groups.true(y, names, [TrueAttribute(("a", "b"), y % 2)])
    found = membership_of(groups)
    assert groups.n_groups == 2000
    assert found.shares is None
    assert found.first.nbytes == 8 * rows
    assert groups.values.ndim == 1
    assert found.sizes().sum() == rows  # the matrix would take 1.6 GB


def test_several_annotations_stay_one_integer_and_mixed_ones_become_a_posterior() -> None:
    rng = np.random.default_rng(0)
    y, a, b = (rng.integers(0, 2, N) for _ in range(3))
    true = [TrueAttribute(("l", "w"), a), TrueAttribute(("d", "n"), b)]
    groups = Groups.true(y, ("x", "y"), true)
    assert groups.hard
    assert (groups.attribute == 2 * a + b).all()
    mixed = groups.split_by(("s", "t"), np.full((N, 2), 0.5))
    assert not mixed.hard
    assert np.allclose(mixed.posterior.reshape(N, 4, 2).sum(axis=2), groups.posterior)
    again = replace(groups, values=groups.posterior)
    assert (again.index == groups.index).all()


def test_many_small_groups_are_one_warning_with_the_smallest() -> None:
    y = np.repeat(np.arange(100), 3)
    groups = Groups.true(y, tuple(map(str, range(100))), [TrueAttribute(("a", "b"), np.zeros(300, dtype=np.int64))])
    with pytest.warns(DebiasWarning) as caught:
        groups.warn_if_small()
    (text,) = [str(one.message) for one in caught]
    assert "of 200 true groups 100 are empty" in text
    assert "100 have fewer than 10 samples" in text
    assert "(0, a) with 3" in text
    assert len(text) < 400
