"""Promises: schedulers' numbers in small cases worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from debias_pt.errors import UsageError
from debias_pt.reweighting import REWEIGHTERS, make_reweighter
from debias_pt.reweighting.base import mean_one
from debias_pt.utils.membership import Membership

HALVES = torch.eye(2)[[0, 0, 1, 1]]
CLASSES = torch.tensor([0, 1])


def started(method: str, membership: torch.Tensor = HALVES, **options: object):  # type: ignore[no-untyped-def]
    scheduler = make_reweighter(method, **options)
    scheduler.start(membership, CLASSES, runs=1)
    return scheduler


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


def test_group_dro_by_hand() -> None:
    """Losses 0 and log 2 at a rate of 1: shares 1 : 2, hence sample weights 2/3 and 4/3."""
    scheduler = started("group-dro", eta=1.0)
    losses = torch.tensor([[0.0, 0, math.log(2), math.log(2)]])
    assert scheduler(torch.exp(-losses), losses, HALVES)[0].tolist() == pytest.approx([2 / 3, 2 / 3, 4 / 3, 4 / 3])


def test_mean_one_of_each_run() -> None:
    found = mean_one(torch.tensor([[1.0, 3], [2.0, 2]]), torch.tensor([30.0, 10]))
    assert found.flatten().tolist() == pytest.approx([2 / 3, 2, 1, 1])


def test_class_balanced_with_other_sizes_in_each_run() -> None:
    """One sample against three, and two against two."""
    scheduler = make_reweighter("class-balanced")
    membership = torch.stack([torch.eye(2)[[0, 1, 1, 1]], HALVES])
    scheduler.start(membership, CLASSES, runs=2)
    assert scheduler.weights_.flatten().tolist() == pytest.approx([2, 2 / 3, 1, 1])
    assert scheduler.counts_.tolist() == [[1, 3], [2, 2]]


def test_misaligned_membership_is_refused() -> None:
    scheduler = started("erm")
    with pytest.raises(ValueError, match=r"membership \(3, 2\) for p \(1, 4\), 2 groups"):
        scheduler(torch.ones(1, 4), torch.ones(1, 4), torch.ones(3, 2))


@pytest.mark.parametrize(
    ("method", "uses", "asks", "probe"),
    [
        ("anchored", True, True, "anchored"),
        ("balanced", True, True, "zero-shot"),
        ("class-balanced", False, False, "zero-shot"),
        ("cvar", False, False, "zero-shot"),
        ("dpt", True, True, "zero-shot"),
        ("dpt-mixture", True, True, "mixture"),
        ("erm", False, False, "zero-shot"),
        ("group-dro", True, True, "zero-shot"),
        ("inferred", True, False, "zero-shot"),
    ],
)
def test_what_a_method_asks_for(method: str, uses: bool, asks: bool, probe: str) -> None:
    kind = REWEIGHTERS[method]
    assert (kind.uses_attributes, kind.asks_for_words(), kind.probe) == (uses, asks, probe)


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
    scheduler(torch.exp(-losses), losses, HALVES)
    assert scheduler.shares_[0].tolist() == pytest.approx([1 / 3, 2 / 3])
    only = torch.eye(2)[[0, 0, 0]]
    weights = scheduler(torch.full((1, 3), 0.5), torch.full((1, 3), math.log(2)), only)
    assert scheduler.shares_[0].tolist() == pytest.approx([0.5, 0.5])
    assert weights[0].tolist() == pytest.approx([0.5] * 3)  # 3 samples x share 1/2 / size 3
    assert scheduler.weights_[0].tolist() == pytest.approx([0.5, 0])


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


def test_anchored_shares_of_small_groups() -> None:
    """Class 0: 10 and 2 images, shares 1 and 2/5; class 1: 4 images, its only share. Each class weighs half of 16."""
    membership = torch.eye(4)[[0] * 10 + [1] * 2 + [2] * 4]
    scheduler = make_reweighter("anchored")
    scheduler.start(membership, torch.tensor([0, 0, 1, 1]), 1)
    masses = (scheduler.weights_ * scheduler.counts_)[0].tolist()
    assert masses == pytest.approx([8 / 1.4, 8 * 0.4 / 1.4, 8, 0])


def test_an_empty_class_weighs_nothing() -> None:
    for method in ("class-balanced", "balanced", "anchored", "dpt", "group-dro"):
        scheduler = make_reweighter(method)
        scheduler.start(torch.eye(3)[[0, 0, 1]], torch.tensor([0, 1, 2]), 1)
        assert scheduler.weights_[0].tolist() == pytest.approx([0.75, 1.5, 0])
