"""Promises: every scheduler equals a plain loop; DPT keeps its analytic cases; invariants hold for any groups."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from debias_pt.errors import UnknownNameError, UsageError
from debias_pt.reweighting import REWEIGHTERS, make_reweighter
from debias_pt.reweighting.base import mean_one
from debias_pt.utils.membership import Membership

CLASSES = torch.tensor([0, 0, 1, 1])
WATERBIRDS = (3498, 184, 56, 1057)
HALVES = torch.eye(2)[[0, 0, 1, 1]]


def one_hot(groups: list[int], n: int = 4) -> torch.Tensor:
    return torch.eye(n)[groups]


def of_sizes(sizes: tuple[int, ...]) -> torch.Tensor:
    return one_hot([g for g, size in enumerate(sizes) for _ in range(size)], len(sizes))


def test_every_scheduler_is_a_class() -> None:
    assert {name for name, kind in REWEIGHTERS.items() if isinstance(kind, type)} == set(REWEIGHTERS)


@pytest.mark.parametrize(
    ("eta", "masses"),
    [(1.0, (0.19, 0.29, 0.32, 0.20)), (5.0, (0.05, 0.34, 0.56, 0.06)), (10.0, (0.005, 0.27, 0.72, 0.008))],
)
def test_dpt_group_masses_on_waterbirds(eta: float, masses: tuple[float, ...]) -> None:
    membership = of_sizes(WATERBIRDS)
    scheduler = make_reweighter("dpt", eta=eta, ema=0.0)
    scheduler.start(membership, CLASSES, runs=1)
    p = (membership @ torch.tensor([0.99, 0.6, 0.5, 0.95]))[None]
    weights = scheduler(p, -p.log(), membership)
    found = (weights @ membership / weights.sum())[0]
    assert found.tolist() == pytest.approx(masses, abs=0.006)


def test_dpt_with_eta_0_is_group_balanced() -> None:
    membership = of_sizes((5, 2, 3, 7))
    p = torch.rand(2, 17, generator=torch.Generator().manual_seed(0))
    dpt, balanced = make_reweighter("dpt", eta=0.0), make_reweighter("balanced")
    for scheduler in (dpt, balanced):
        scheduler.start(membership, CLASSES, runs=2)
    for _ in range(3):
        assert torch.allclose(dpt(p, -p.log(), membership), balanced(p, -p.log(), membership))


@given(eta=st.floats(0, 20), p=st.floats(0.01, 1))
def test_dpt_with_equal_p_bar_gives_every_group_the_same_mass(eta: float, p: float) -> None:
    membership = of_sizes((9, 1, 4, 2))
    scheduler = make_reweighter("dpt", eta=eta, ema=0.5)
    scheduler.start(membership, CLASSES, runs=1)
    values = torch.full((1, 16), p)
    mass = scheduler(values, -values.log(), membership) @ membership
    assert torch.allclose(mass, torch.full((1, 4), 4.0), atol=1e-4)


def plain_dpt(p: list[float], groups: list[int], n_groups: int, steps: int, eta: float, ema: float) -> list[float]:
    """DPT's formulas in plain loops, full-batch, the same p in every step."""
    sizes = [groups.count(g) for g in range(n_groups)]

    def mean_one(w: list[float]) -> list[float]:
        total = sum(w[g] for g in groups) / len(groups)
        return [value / total for value in w]

    w = mean_one([1 / n if n else 0.0 for n in sizes])
    for _ in range(steps):
        w_hat = []
        for g in range(n_groups):
            inside = [value for value, group in zip(p, groups, strict=True) if group == g]
            w_hat.append(math.exp(eta * (1 - sum(inside) / len(inside))) / sizes[g] if inside else 0.0)
        w_hat = mean_one(w_hat)
        w = [ema * old + (1 - ema) * new for old, new in zip(w, w_hat, strict=True)]
    return [w[g] for g in groups]


@given(
    data=st.lists(st.tuples(st.floats(0.01, 1), st.integers(0, 3)), min_size=2, max_size=30),
    eta=st.floats(0, 8),
    ema=st.floats(0, 0.95),
)
def test_dpt_equals_the_plain_loop_and_keeps_mean_one(data: list[tuple[float, int]], eta: float, ema: float) -> None:
    p, groups = [d[0] for d in data], [d[1] for d in data]
    scheduler = make_reweighter("dpt", eta=eta, ema=ema)
    scheduler.start(one_hot(groups), CLASSES, runs=1)
    values = torch.tensor([p])
    for _ in range(3):
        weights = scheduler(values, -values.log(), one_hot(groups))
    assert weights[0].tolist() == pytest.approx(plain_dpt(p, groups, 4, 3, eta, ema), rel=2e-4)
    assert float(weights.mean()) == pytest.approx(1, rel=1e-4)


def test_dpt_group_absent_from_a_batch_keeps_its_weight() -> None:
    scheduler = make_reweighter("dpt", eta=3.0, ema=0.5)
    scheduler.start(of_sizes((4, 2, 1, 3)), CLASSES, runs=1)
    before = scheduler.weights_.clone()
    p = torch.tensor([[0.9, 0.1, 0.5]])
    scheduler(p, -p.log(), one_hot([0, 1, 3]))
    assert scheduler.weights_[0, 2] == before[0, 2]
    assert not torch.equal(scheduler.weights_[0, [0, 1, 3]], before[0, [0, 1, 3]])
    mass = scheduler.weights_[0] @ torch.tensor([4.0, 2, 1, 3])
    assert float(mass) == pytest.approx(10)


@pytest.mark.parametrize("method", sorted(REWEIGHTERS))
def test_empty_groups_weigh_nothing_and_nothing_is_nan(method: str) -> None:
    membership = of_sizes((4, 0, 2, 3))
    scheduler = make_reweighter(method)
    scheduler.start(membership, CLASSES, runs=1)
    p = torch.full((1, 9), 0.5)
    weights = scheduler(p, -p.log(), membership)
    assert bool(weights.isfinite().all())
    assert float(weights.mean()) == pytest.approx(1)
    if method not in ("erm", "class-balanced", "cvar"):  # their weights are not the groups'
        assert float(scheduler.weights_[0, 1]) == 0


@given(groups=st.lists(st.integers(0, 3), min_size=1, max_size=30), method=st.sampled_from(sorted(REWEIGHTERS)))
def test_full_batch_weights_have_mean_one(groups: list[int], method: str) -> None:
    scheduler = make_reweighter(method)
    scheduler.start(one_hot(groups), CLASSES, runs=1)
    p = torch.linspace(0.1, 0.9, len(groups))[None]
    for _ in range(2):
        weights = scheduler(p, -p.log(), one_hot(groups))
    assert float(weights.mean()) == pytest.approx(1, rel=1e-4)


def test_group_dro_equals_the_plain_loop() -> None:
    groups, eta = [0, 0, 0, 1, 2, 2, 3], 0.7
    losses = torch.tensor([[0.2, 0.4, 0.1, 2.0, 1.0, 0.5, 0.3], [1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.1]])
    scheduler = make_reweighter("group-dro", eta=eta)
    scheduler.start(one_hot(groups), CLASSES, runs=2)
    for _ in range(3):
        weights = scheduler(torch.exp(-losses), losses, one_hot(groups))
    for run in range(2):
        means = [np.mean([float(losses[run, i]) for i in range(7) if groups[i] == g]) for g in range(4)]
        q = [0.25] * 4
        for _ in range(3):
            q = [q[g] * math.exp(eta * means[g]) for g in range(4)]
            q = [share / sum(q) for share in q]
        objective = sum(q[g] * means[g] for g in range(4))
        assert float((weights[run] * losses[run]).mean()) == pytest.approx(objective, rel=1e-5)


def test_group_dro_with_an_absent_group_equals_the_original_objective() -> None:
    scheduler = make_reweighter("group-dro", eta=0.5)
    scheduler.start(of_sizes((4, 2, 1, 3)), CLASSES, runs=1)
    losses = torch.tensor([[1.0, 2.0, 4.0]])
    weights = scheduler(torch.exp(-losses), losses, one_hot([0, 0, 1]))
    q = torch.tensor([math.exp(0.75), math.exp(2.0), 1, 1])
    q = q / q.sum()
    assert float((weights * losses).mean()) == pytest.approx(float(q[0] * 1.5 + q[1] * 4.0), rel=1e-5)


def test_class_balanced_gives_classes_the_same_mass() -> None:
    membership = of_sizes((10, 3, 1, 4))
    scheduler = make_reweighter("class-balanced")
    scheduler.start(membership, CLASSES, runs=1)
    p = torch.full((1, 18), 0.5)
    mass = scheduler(p, p, membership) @ membership
    assert float(mass[0, :2].sum()) == pytest.approx(float(mass[0, 2:].sum()))


def test_soft_membership_is_the_expected_weight() -> None:
    soft = torch.tensor([[0.8, 0.2, 0, 0], [0.3, 0.7, 0, 0], [0, 0, 1.0, 0], [0, 0, 0.5, 0.5]])
    scheduler = make_reweighter("dpt", eta=2.0, ema=0.0)
    scheduler.start(soft, CLASSES, runs=1)
    p = torch.tensor([[0.9, 0.4, 0.2, 0.6]])
    weights = scheduler(p, -p.log(), soft)
    sizes = soft.sum(dim=0)
    p_bar = [float((p[0] * soft[:, g]).sum() / sizes[g]) for g in range(4)]
    raw = [math.exp(2 * (1 - p_bar[g])) / max(1.0, float(sizes[g])) for g in range(4)]
    expected = soft @ torch.tensor(raw)
    assert torch.allclose(weights[0], expected / expected.mean(), atol=1e-5)


def test_a_trace_of_a_soft_group_weighs_no_more_than_a_sample() -> None:
    soft = torch.tensor([[0.999, 0.001, 0, 0]] * 8 + [[0, 0, 1.0, 0]] * 4 + [[0, 0, 0, 1.0]] * 4)
    scheduler = make_reweighter("balanced")
    scheduler.start(soft, CLASSES, runs=1)
    mass = scheduler.weights_[0] * soft.sum(dim=0)
    assert float(mass[1] / mass[0]) < 0.01


@pytest.mark.parametrize("method", ["dpt", "group-dro"])
def test_a_very_large_eta_is_worst_group_only_not_nan(method: str) -> None:
    membership = of_sizes((3, 2, 1, 4))
    scheduler = make_reweighter(method, eta=1e4)
    scheduler.start(membership, CLASSES, runs=1)
    p = (membership @ torch.tensor([0.9, 0.2, 0.6, 0.8]))[None]
    for _ in range(80):
        weights = scheduler(p, -p.log(), membership)
    assert bool(weights.isfinite().all())
    mass = (weights @ membership)[0]
    assert float(mass[1] / mass.sum()) > 0.99


@pytest.mark.parametrize("method", sorted(REWEIGHTERS))
def test_stacked_runs_are_the_runs_alone(method: str) -> None:
    membership = of_sizes((6, 2, 1, 5))
    p = torch.rand(3, 14, generator=torch.Generator().manual_seed(2))
    stacked = make_reweighter(method)
    stacked.start(membership, CLASSES, runs=3)
    alone = [make_reweighter(method) for _ in range(3)]
    for scheduler in alone:
        scheduler.start(membership, CLASSES, runs=1)
    for _ in range(4):
        together = stacked(p, -p.log(), membership)
        apart = torch.cat([s(p[[r]], -p[[r]].log(), membership) for r, s in enumerate(alone)])
        assert torch.allclose(together, apart, rtol=1e-5)


@pytest.mark.parametrize("method", sorted(REWEIGHTERS))
def test_state_goes_on_exactly(method: str) -> None:
    membership = of_sizes((6, 2, 1, 5))
    p = torch.rand(2, 14, generator=torch.Generator().manual_seed(3))
    first, second = make_reweighter(method), make_reweighter(method)
    for scheduler in (first, second):
        scheduler.start(membership, CLASSES, runs=2)
    first(p, -p.log(), membership)
    second.load_state_dict({name: value.clone() for name, value in first.state_dict().items()})
    assert torch.equal(first(p, -p.log(), membership), second(p, -p.log(), membership))


def test_weights_carry_no_gradient() -> None:
    scheduler = make_reweighter("dpt")
    scheduler.start(of_sizes((1, 1, 1, 1)), CLASSES, runs=1)
    p = torch.rand(1, 4, requires_grad=True)
    assert not scheduler(p, -p.log(), torch.eye(4)).requires_grad


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("dpt", {"eta": -1.0}),
        ("dpt", {"eta": math.nan}),
        ("dpt", {"refresh": "never"}),
        ("dpt", {"normalize": "max"}),
        ("group-dro", {"eta": -0.1}),
        ("balanced", {"eta": 1.0}),
    ],
)
def test_bad_options_are_refused_by_name(method: str, options: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(options))):
        make_reweighter(method, **options)


def test_unknown_scheduler_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown scheduler 'group_dro' \(did you mean 'group-dro'\?\)"):
        make_reweighter("group_dro")


@given(
    losses=st.lists(st.floats(0, 9, width=32), min_size=1, max_size=25),
    alpha=st.floats(0.02, 1),
)
def test_cvar_is_the_mean_of_the_worst_share(losses: list[float], alpha: float) -> None:
    """By sorting: whole samples from the worst down, the last one in part."""
    scheduler = make_reweighter("cvar", alpha=alpha)
    membership = one_hot([i % 4 for i in range(len(losses))])
    scheduler.start(membership, CLASSES, runs=1)
    values = torch.tensor([losses])
    weights = scheduler(torch.exp(-values), values, membership)
    left, total = alpha * len(losses), 0.0
    for loss in sorted(losses, reverse=True):
        total += min(left, 1.0) * loss
        left -= min(left, 1.0)
    assert float((weights * values).mean()) == pytest.approx(total / (alpha * len(losses)), rel=1e-3, abs=1e-5)
    assert float(weights.mean()) == pytest.approx(1, rel=1e-4)
    assert float(weights.max()) <= 1 / alpha + 1e-4


def test_cvar_of_everything_is_erm() -> None:
    scheduler = make_reweighter("cvar", alpha=1.0)
    scheduler.start(one_hot([0, 1, 2]), CLASSES, runs=2)
    losses = torch.rand(2, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(scheduler(torch.exp(-losses), losses, one_hot([0, 1, 2])), torch.ones(2, 3))


@given(st.lists(st.integers(0, 30), min_size=4, max_size=4).filter(lambda n: n[0] + n[1] > 0 and n[2] + n[3] > 0))
def test_balanced_within_class_by_a_plain_loop(sizes: list[int]) -> None:
    scheduler = make_reweighter("balanced-within-class")
    scheduler.start(of_sizes(tuple(sizes)), CLASSES, runs=1)
    found = (scheduler.weights_[0] * torch.tensor(sizes)).tolist()
    for first in (0, 2):
        shares = [min(1.0, n / 5) for n in sizes[first : first + 2]]
        expected = [sum(sizes) / 2 * share / sum(shares) for share in shares]
        assert found[first : first + 2] == pytest.approx(expected, rel=1e-4)


def test_balanced_within_class_does_not_let_three_images_outweigh_their_class() -> None:
    scheduler, balanced = make_reweighter("balanced-within-class"), make_reweighter("balanced")
    for one in (scheduler, balanced):
        one.start(of_sizes((300, 3, 40, 60)), CLASSES, runs=1)
    assert scheduler.weights_[0, 1] < 0.8 * balanced.weights_[0, 1]


def started(method: str, membership: torch.Tensor = HALVES, **options: object):  # type: ignore[no-untyped-def]
    scheduler = make_reweighter(method, **options)
    scheduler.start(membership, torch.tensor([0, 1]), runs=1)
    return scheduler


def test_mean_one_of_each_run() -> None:
    found = mean_one(torch.tensor([[1.0, 3], [2.0, 2]]), torch.tensor([30.0, 10]))
    assert found.flatten().tolist() == pytest.approx([2 / 3, 2, 1, 1])


def test_class_balanced_with_other_sizes_in_each_run() -> None:
    """One sample against three, and two against two."""
    scheduler = make_reweighter("class-balanced")
    membership = torch.stack([torch.eye(2)[[0, 1, 1, 1]], HALVES])
    scheduler.start(membership, torch.tensor([0, 1]), runs=2)
    assert scheduler.weights_.flatten().tolist() == pytest.approx([2, 2 / 3, 1, 1])
    assert scheduler.counts_.tolist() == [[1, 3], [2, 2]]


def test_misaligned_membership_is_refused() -> None:
    scheduler = started("erm")
    with pytest.raises(ValueError, match=r"membership \(3, 2\) for p \(1, 4\), 2 groups"):
        scheduler(torch.ones(1, 4), torch.ones(1, 4), torch.ones(3, 2))


@pytest.mark.parametrize("method", sorted(REWEIGHTERS))
def test_runs_with_groups_of_their_own_are_the_runs_alone(method: str) -> None:
    """Three runs, four groups of other sizes in each, a full batch and a part of it."""
    generator = torch.Generator().manual_seed(0)
    index = torch.randint(4, (3, 40), generator=generator)
    index[:, :4] = torch.arange(4)
    p = torch.rand(2, 3, 40, generator=generator)
    classes = torch.tensor([0, 0, 1, 1])
    together = make_reweighter(method)
    together.start(Membership(index, 4), classes, 3)
    found = []
    for step, n in enumerate((40, 30)):
        some = Membership(index, 4).at(slice(n))
        found.append(together(p[step, :, :n], -p[step, :, :n].log(), some))
    for run in range(3):
        alone = make_reweighter(method)
        alone.start(Membership(index[run], 4), classes, 1)
        for step, n in enumerate((40, 30)):
            own = p[step, run : run + 1, :n]
            weights = alone(own, -own.log(), Membership(index[run, :n], 4))
            assert weights[0].tolist() == pytest.approx(found[step][run].tolist(), rel=1e-5)
    assert together.counts_.shape == (3, 4)


def test_the_ends_of_the_ranges() -> None:
    """What an option's range names is taken, what it leaves out is not."""
    for method, taken, refused in (
        ("dpt", {"eta": 0.0, "ema": 0.0}, {"ema": 1.0}),
        ("dpt", {"eta": 50.0, "ema": 0.999}, {"eta": math.inf}),
        ("group-dro", {"eta": 0.0}, {"eta": math.inf}),
        ("cvar", {"alpha": 1.0}, {"alpha": 0.0}),
    ):
        make_reweighter(method, **taken)
        with pytest.raises(UsageError):
            make_reweighter(method, **refused)


def test_cvar_by_hand() -> None:
    """The worst 2.5 of 5: two whole samples and half of the next, times 2; equals in the order of the batch."""
    scheduler = started("cvar", torch.eye(2)[[0, 0, 1, 1, 1]], alpha=0.5)
    losses = torch.tensor([[3.0, 1.0, 3.0, 3.0, 2.0]])
    assert scheduler(torch.exp(-losses), losses, torch.eye(2)[[0, 0, 1, 1, 1]]).tolist() == [[2, 0, 2, 1, 0]]
    assert scheduler.weights_.tolist() == [[1, 1]]  # for the record: the groups' means
    assert scheduler.counts_.tolist() == [2, 3]


def test_group_dro_adds_up_and_spares_groups_that_are_absent() -> None:
    """Shares 1/2, 1/2; then 1/3, 2/3; then a batch without the second group, whose share stays relative to e^1."""
    scheduler = started("group-dro", eta=1.0)
    assert scheduler.shares_.tolist() == [[0.5, 0.5]]
    losses = torch.tensor([[0.0, 0, math.log(2), math.log(2)]])
    weights = scheduler(torch.exp(-losses), losses, HALVES)
    assert weights[0].tolist() == pytest.approx([2 / 3, 2 / 3, 4 / 3, 4 / 3])
    assert scheduler.shares_[0].tolist() == pytest.approx([1 / 3, 2 / 3])
    only = torch.eye(2)[[0, 0, 0]]
    weights = scheduler(torch.full((1, 3), 0.5), torch.full((1, 3), math.log(2)), only)
    assert scheduler.shares_[0].tolist() == pytest.approx([0.5, 0.5])
    assert weights[0].tolist() == pytest.approx([0.5] * 3)  # 3 samples x share 1/2 / size 3
    assert scheduler.weights_[0].tolist() == pytest.approx([0.5, 0])


def test_an_empty_class_weighs_nothing() -> None:
    for method in ("class-balanced", "balanced", "balanced-within-class", "dpt", "group-dro"):
        scheduler = make_reweighter(method)
        scheduler.start(torch.eye(3)[[0, 0, 1]], torch.tensor([0, 1, 2]), 1)
        assert scheduler.weights_[0].tolist() == pytest.approx([0.75, 1.5, 0])


@pytest.mark.parametrize("refresh", ["step", "epoch"])
def test_dpt_forgets_the_means_of_the_epoch_before(refresh: str) -> None:
    """Mean confidences 1 and 0, then 0 and 1: the second weights know nothing of the first."""
    scheduler = started("dpt", eta=math.log(3), ema=0.0, refresh=refresh)
    first, second = torch.tensor([[1.0, 1, 0, 0]]), torch.tensor([[0.0, 0, 1, 1]])
    scheduler(first, 1 - first, HALVES)
    assert scheduler.weights_[0].tolist() == pytest.approx([0.5, 1.5])  # 1 : 3, mean 1
    scheduler(second, 1 - second, HALVES)
    assert scheduler.weights_[0].tolist() == pytest.approx([1.5, 0.5])
    assert not scheduler.sums_.any()
    assert not scheduler.sizes_.any()


def test_dpt_averages_old_and_new_weights() -> None:
    """0.75 of (1, 1), 0.25 of (0.5, 1.5)."""
    scheduler = started("dpt", eta=math.log(3), ema=0.75)
    p = torch.tensor([[1.0, 1, 0, 0]])
    assert scheduler(p, 1 - p, HALVES)[0].tolist() == pytest.approx([0.875, 0.875, 1.125, 1.125])


def test_dpt_whose_group_weights_sum_to_one() -> None:
    """Sizes 1 and 3 begin at 3/4 and 1/4; at equal confidence they stay there."""
    sizes = torch.eye(2)[[0, 1, 1, 1]]
    scheduler = started("dpt", sizes, normalize="sum", ema=0.0, eta=math.log(2))
    assert scheduler.weights_[0].tolist() == pytest.approx([0.75, 0.25])
    p = torch.full((1, 4), 0.5)
    scheduler(p, 1 - p, sizes)
    assert scheduler.weights_[0].tolist() == pytest.approx([0.75, 0.25])
    p = torch.tensor([[1.0, 0, 0, 0]])
    scheduler(p, 1 - p, sizes)
    assert scheduler.weights_[0].tolist() == pytest.approx([0.6, 0.4])  # 1 : 2/3


def test_dpt_waits_for_the_whole_epoch() -> None:
    """Batches of 3 and 1 of 4 samples: the first changes nothing, the second uses the means of both."""
    scheduler = started("dpt", eta=math.log(3), ema=0.0, refresh="epoch")
    first, second = torch.eye(2)[[0, 0, 1]], torch.eye(2)[[1]]
    scheduler(torch.tensor([[1.0, 1, 0]]), torch.zeros(1, 3), first)
    assert scheduler.weights_[0].tolist() == [1, 1]
    assert scheduler.sums_[0].tolist() == [2, 0]
    assert scheduler.sizes_[0].tolist() == [2, 1]
    scheduler(torch.tensor([[1.0]]), torch.zeros(1, 1), second)
    assert scheduler.weights_[0].tolist() == pytest.approx([2 * 1 / (1 + 3**0.5), 2 * 3**0.5 / (1 + 3**0.5)])
