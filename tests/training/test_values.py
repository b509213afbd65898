"""Promises: which steps may be kept, which groups are fitted, and in which order; by small cases."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from debias_pt.models.backbone import Backbone
from debias_pt.models.heads import LinearHead
from debias_pt.settings import FitSettings
from debias_pt.training.data import Minibatches
from debias_pt.training.optimizer import learning_rate
from debias_pt.training.selection import Selector
from debias_pt.training.tuner import PromptTuner
from debias_pt.utils.membership import Membership
from tests.training.test_training import TABLE, TRUE, make

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_step_before_the_first_to_be_kept_is_not_kept_however_good() -> None:
    parameter = torch.nn.Parameter(torch.zeros(1, 1))
    selector = Selector("average-accuracy", [parameter], first_step=2)
    y, membership = torch.tensor([0, 1]), torch.eye(2)
    for step, share in enumerate((1.0, 1.0, 0.5, 0.0)):
        logits = torch.tensor([[[9.0, 0], [0, 9]]]) if share == 1 else torch.tensor([[[9.0, 0], [9, 0]]])
        parameter.data.fill_(step)
        score = selector.observe(step, logits if share else 1 - logits[:, [1, 0]], y, membership)
        assert score.tolist() == [max(share, 0.5)]
    selector.restore()
    assert selector.step_.tolist() == [3]  # the later of equals, not 0 or 1
    assert selector.score_.tolist() == [0.5]
    assert parameter.item() == 3


def test_steps_may_be_kept_from_a_share_of_the_fit_on() -> None:
    training = make(LinearHead(24, 2), select="average-accuracy", steps=10, select_after=0.6)
    assert training.run_groups[0].selector.first_step == 6
    assert make(LinearHead(24, 2), steps=10, select_after=0.0).run_groups[0].selector.first_step == 0


def rows_of(membership: Membership) -> torch.Tensor:
    return membership.sums(torch.eye(len(membership)))


@pytest.mark.parametrize("soft", [True, False])
def test_soft_groups_are_fitted_softly_and_validated_hard(backbone: Backbone, soft: bool) -> None:
    posterior = np.resize([[0.75, 0.25], [0.25, 0.75]], (len(TABLE), 2))
    groups = replace(TRUE, values=posterior, source="pseudo")
    table = replace(TABLE, fingerprint={})
    tuner = PromptTuner(backbone, head="linear", soft=soft, method="balanced")
    run_group = tuner.run_group(table, groups)
    row = rows_of(run_group.train.membership)[0]
    own = 2 * int(run_group.train.y[0])
    assert row[own : own + 2].tolist() == ([0.75, 0.25] if soft else [1, 0])
    assert float(row.sum()) == 1
    assert set(rows_of(run_group.val.membership).unique().tolist()) <= {0.0, 1.0}


def test_every_epoch_has_an_order_of_its_own_and_every_seed_too() -> None:
    batches = Minibatches(30, 10, seeds=[0, 1])
    orders = [torch.cat([batches.rows(3 * epoch + i) for i in range(3)], dim=1) for epoch in range(3)]  # type: ignore[misc]
    assert not torch.equal(orders[0], orders[1])
    assert not torch.equal(orders[1], orders[2])
    assert not torch.equal(orders[0][0], orders[0][1])
    again = Minibatches(30, 10, seeds=[0, 1])
    assert torch.equal(again.rows(4), orders[1][:, 10:20])  # type: ignore[arg-type]


def test_learning_rates_by_hand() -> None:
    """Two steps of warm-up to 3, then half a cosine over four."""
    settings = FitSettings(lr=3.0, steps=6, warmup_steps=2)
    expected = [1.0, 2.0, 3.0, 3 * (2 + 2**0.5) / 4, 1.5, 3 * (2 - 2**0.5) / 4, 0.0]
    assert [learning_rate(step, settings) for step in range(7)] == pytest.approx(expected)


def test_the_history_of_a_step() -> None:
    training = make(LinearHead(24, 2), method="balanced", steps=2)
    training.run()
    first, second = training.run_groups[0].history_
    assert (first["step"], second["step"]) == (0, 1)
    assert first["lr"] == 0.05
    assert second["lr"] == pytest.approx(0.025)
    assert first["selection_score"] == [0.0]
    assert len(first["val_accuracy"][0]) == len(first["p_bar"][0]) == 4  # type: ignore[index]
    assert training.step_ == 2
