"""Promises: schedulers' numbers in small cases worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from debias_pt.reweighting import REWEIGHTERS, make_reweighter
from debias_pt.reweighting.base import mean_one

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
