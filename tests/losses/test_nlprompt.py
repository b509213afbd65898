"""Promises: the split is what optimal transport says, clean samples get cross-entropy and noisy ones the absolute
error, runs and rows are kept apart, and the loop renews the split every epoch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import ot
import pytest
import torch

from debias_pt.errors import UsageError
from debias_pt.losses import make_loss
from debias_pt.losses.nlprompt import NLPrompt
from tests.helpers.noisy_sample import marked

HALF_AND_QUARTERS = torch.tensor([0.5, 0.25, 0.25]).log().view(1, 1, 3)
SECOND = torch.tensor([[1]])
L = math.log(2)


def world(seed: int = 0, runs: int = 2, n: int = 30, k: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(runs, n, k, generator=generator) * 3, torch.randint(k, (runs, n), generator=generator)


@pytest.mark.parametrize("log_cost", [True, False])
def test_the_split_is_where_pots_plan_agrees(log_cost: bool) -> None:
    logits, y = world()
    loss = NLPrompt(epsilon=0.2, iterations=5000, log_cost=log_cost)
    loss.start_epoch(logits, y)
    assert loss.clean_ is not None
    for run in range(2):
        p = logits[run].double().softmax(-1).numpy()
        cost = -np.log(p) if log_cost else -p
        plan = ot.bregman.sinkhorn_log(np.full(30, 1 / 30), np.full(3, 1 / 3), cost, 0.2, stopThr=1e-4)
        wanted = plan.argmax(axis=1) == y[run].numpy()
        assert (loss.clean_[run].numpy() == wanted).all()
        assert 0 < wanted.mean() < 1


def test_uniform_shares_take_samples_from_a_class_that_takes_too_many() -> None:
    """All prefer class 0, one half only just: transport gives it to class 1, the likeliest class would not."""
    logits = torch.tensor([[[4.0, 0.0], [3.0, 0.0], [1.0, 0.0], [0.5, 0.0]]])
    loss = NLPrompt(epsilon=0.1)
    loss.start_epoch(logits, torch.tensor([[0, 0, 1, 1]]))
    assert loss.clean_ is not None
    assert loss.clean_.tolist() == [[True, True, True, True]]


def test_losses_are_cross_entropy_and_absolute_error() -> None:
    logits, y = world(1)
    loss = NLPrompt(mae_weight=2.0)
    loss.start_epoch(logits, y)
    found = loss.at(slice(None))(logits, y)
    assert loss.clean_ is not None
    for run in range(2):
        for i in range(30):
            p = logits[run, i].softmax(-1)
            one_hot = torch.eye(3)[y[run, i]]
            wanted = -p[y[run, i]].log() if loss.clean_[run, i] else (p - one_hot).abs().sum()
            assert found[run, i].item() == pytest.approx(wanted.item(), rel=1e-4, abs=1e-6)


def test_rows_are_each_runs_own() -> None:
    logits, y = world(2)
    loss = NLPrompt()
    loss.start_epoch(logits, y)
    whole = loss.at(slice(None))(logits, y)
    rows = torch.tensor([[3, 1, 29], [0, 0, 7]])
    batch = loss.at(rows)(logits.gather(1, rows[..., None].expand(-1, -1, 3)), y.gather(1, rows))
    assert torch.equal(batch, whole.gather(1, rows))
    assert torch.equal(loss.at(slice(2, 9))(logits[:, 2:9], y[:, 2:9]), whole[:, 2:9])


def test_the_gradient_stays_finite_where_p_underflows() -> None:
    logits = torch.tensor([[[300.0, -300.0], [-300.0, 300.0]]], requires_grad=True)
    y = torch.tensor([[1, 1]])
    loss = NLPrompt()
    loss.start_epoch(logits, y)
    loss.at(slice(None))(logits, y).sum().backward()
    assert logits.grad is not None
    assert bool(logits.grad.isfinite().all())


def test_options_are_checked_and_a_split_is_needed() -> None:
    for options in ({"epsilon": 0.0}, {"iterations": 0}, {"mae_weight": -1.0}):
        with pytest.raises(UsageError, match="nlprompt takes"):
            make_loss("nlprompt", **options)
    logits, y = world()
    with pytest.raises(UsageError, match="start_epoch first"):
        make_loss("nlprompt")(logits, y)
    with pytest.raises(UsageError, match="start_epoch first"):
        NLPrompt().at(slice(None))


def test_wrong_labels_are_found_where_the_model_is_good() -> None:
    features, _, y, wrong = marked()
    loss = NLPrompt()
    loss.start_epoch(torch.from_numpy(10 * features)[None], torch.from_numpy(y)[None])
    assert loss.clean_ is not None
    assert (loss.clean_[0].numpy() == ~wrong).all()


def test_nlprompt_on_two_images() -> None:
    """Both look like class 0, the second less so: transport gives it to class 1. Labels 0 and 0: one is clean."""
    p = torch.tensor([[0.9, 0.1], [0.6, 0.4]])
    loss, y = NLPrompt(), torch.tensor([[0, 0]])
    loss.start_epoch(p.log()[None], y)
    assert loss.clean_ is not None
    assert loss.clean_.tolist() == [[True, False]]
    found = loss.at(slice(None))(p.log()[None], y)
    assert found[0].tolist() == pytest.approx([-math.log(0.9), 0.4], rel=1e-5)
    assert (loss.epsilon, loss.iterations, loss.log_cost, loss.mae_weight) == (1.0, 100, True, 1.0)
    batch: Any = loss.at(torch.tensor([[1, 0]]))
    assert batch.clean_.tolist() == [[False, True]]
    assert loss.clean_.tolist() == [[True, False]]  # the batch is another object


def test_nlprompt_passes_its_options_to_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[float, dict[str, Any]]] = []
    costs: list[torch.Tensor] = []

    def plan(cost: torch.Tensor, epsilon: float, **options: Any) -> torch.Tensor:
        seen.append((epsilon, options))
        costs.append(cost)
        return -cost

    monkeypatch.setattr("debias_pt.losses.nlprompt.sinkhorn", plan)
    for log_cost in (True, False):
        NLPrompt(epsilon=0.5, iterations=7, log_cost=log_cost).start_epoch(HALF_AND_QUARTERS, SECOND)
    assert seen == [(0.5, {"iterations": 7, "tolerance": 0.01})] * 2
    assert costs[0].flatten().tolist() == pytest.approx([L, 2 * L, 2 * L])
    assert costs[1].flatten().tolist() == pytest.approx([-0.5, -0.25, -0.25])
