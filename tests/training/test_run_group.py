"""Promises: what a run group records of a step, when it validates, and how it names what is not finite."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from debias_pt.errors import NonFiniteError
from debias_pt.models.heads import LinearHead
from debias_pt.training.callbacks import Progress
from debias_pt.training.loop import Forward, require_finite
from tests.helpers.gaussian_fit import make

pytestmark = pytest.mark.usefixtures("one_thread")


def test_validation_accuracy_by_group_is_none_where_nothing_was_seen() -> None:
    training = make(LinearHead(24, 2, seeds=[0, 1]), seeds=[0, 1], steps=1, select="average-accuracy")
    (group,) = training.run_groups
    group.val = group.val.at(slice(0, 80))  # of the first class only, 40 of either value
    logits = torch.zeros(2, 80, 2)
    logits[0, :40, 0], logits[0, 40:, 1], logits[1, :, 0] = 1, 1, 1
    group.observe(0, logits)
    assert group.val_accuracy() == [[1, 0, None, None], [1, 1, None, None]]
    assert group.val_accuracy(there=False) == [[None] * 4] * 2


def test_the_history_of_one_step_by_hand() -> None:
    """A head of zeros: every probability a half, every loss log 2, every weight of balanced groups N / (4 N_g)."""
    head = LinearHead(24, 2, seeds=[0, 1])
    head.weight.data.zero_()
    training = make(head, seeds=[0, 1], method="balanced", steps=1, lr=0.5, select="average-accuracy")
    seen: list[int] = []

    class Count(Progress):
        def __init__(self) -> None:
            super().__init__(seen.append)

    training.run([Count()])
    assert seen == [0, 1]
    (row,) = training.run_groups[0].history_
    assert row == {
        "step": 0,
        "lr": 0.5,
        "loss": pytest.approx([math.log(2)] * 2),
        "selection_score": [0.5, 0.5],  # of equals the first class
        "p_bar": [[0.5] * 4] * 2,
        "val_accuracy": [[1, 1, 0, 0]] * 2,
        "group_weights": [pytest.approx([400 / 760, 10, 10, 400 / 760])] * 2,
    }
    state = training.state_dict()
    assert int(state["step"]) == 1
    assert {key.split("/")[0] for key in state} >= {"step", "head", "reweighter.0", "selector.0", "optimizer.0"}


@pytest.mark.parametrize("what", ["loss", "weight", "gradient"])
def test_what_is_not_finite_is_named(what: str) -> None:
    training = make(LinearHead(24, 2, seeds=[4, 7]), seeds=[4, 7])
    (group,) = training.run_groups
    losses, weights = torch.zeros(2, 400), torch.ones(2, 400)
    for parameter in group.params.parameters:
        parameter.grad = torch.zeros_like(parameter)
    forward = Forward(losses, weights, losses, group.train.membership, losses.mean(dim=-1))
    require_finite(group, forward, "step 3", 0.25)
    if what == "gradient":
        group.params.parameters[0].grad[1, 0, 0] = math.inf  # type: ignore[index]
    else:
        {"loss": losses, "weight": weights}[what][1, 395] = math.nan
    of = "any group" if what == "gradient" else r"group \(waterbird, water\)"
    message = f"^step 3, seed 7: the {what} of {of} is NaN or infinite at learning rate 0.25; lower --lr"
    with pytest.raises(NonFiniteError, match=message):
        require_finite(group, forward, "step 3", 0.25)


def test_when_it_is_time_to_validate() -> None:
    """400 training and 160 validation rows: batches of 50 are 8 an epoch and see 160 rows in 4 (rounded up)."""

    def times(**options: Any) -> list[int]:
        (group,) = make(LinearHead(24, 2), **options).run_groups
        return [step for step in range(17) if group.validates(step)]

    assert times(batch_size=50) == [0, 4, 8, 12, 16]
    assert times(batch_size=10) == [0, 16]
    assert times(batch_size=200) == times(batch_size=400) == times(batch_size=None) == list(range(17))
    (group,) = make(LinearHead(24, 2), batch_size=100).run_groups
    group.val = group.val.at(slice(0, 0))
    assert all(group.validates(step) for step in range(5))
    group.val = group.train  # as many as are fitted: once an epoch
    assert [step for step in range(9) if group.validates(step)] == [0, 4, 8]
