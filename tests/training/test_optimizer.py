"""Promises: the optimizer has what was asked for; learning rates warm up and follow a cosine; runs are slices."""

from __future__ import annotations

import pytest
import torch

from debias_pt.settings import FitSettings
from debias_pt.training.optimizer import RunSlice, learning_rate, make_optimizer

pytestmark = pytest.mark.usefixtures("one_thread")


def test_the_optimiser_has_what_was_asked_for() -> None:
    parameter = torch.nn.Parameter(torch.zeros(1, 2))
    settings = FitSettings(lr=0.3, optimizer="sgd", momentum=0.7, weight_decay=0.2)
    sgd = make_optimizer(settings, [[parameter], [torch.nn.Parameter(torch.zeros(1, 2))]])
    assert [(group["lr"], group["momentum"], group["weight_decay"]) for group in sgd.param_groups] == [
        (0.3, 0.7, 0.2)
    ] * 2
    adamw = make_optimizer(FitSettings(lr=0.3, optimizer="adamw", weight_decay=0.2), [[parameter]])
    assert isinstance(adamw, torch.optim.AdamW)
    assert (adamw.param_groups[0]["lr"], adamw.param_groups[0]["weight_decay"]) == (0.3, 0.2)
    assert learning_rate(0, FitSettings(lr=2.0, steps=0, warmup_steps=0)) == 2.0
    assert learning_rate(1, FitSettings(lr=2.0, steps=2, warmup_steps=2)) == pytest.approx(4 / 3)
    assert learning_rate(2, FitSettings(lr=2.0, steps=2, warmup_steps=2)) == 2.0


def test_a_slice_of_runs_is_a_view_with_gradients_of_its_own() -> None:
    whole = [torch.nn.Parameter(torch.arange(6.0).view(3, 2)), torch.nn.Parameter(torch.zeros(3, 1))]
    own = RunSlice(whole, slice(1, 3))
    whole[0].grad = torch.arange(6.0).view(3, 2)
    own.take_gradients()
    assert own.parameters[0].grad is not None
    assert own.parameters[0].grad.tolist() == [[2, 3], [4, 5]]
    assert own.parameters[1].grad is None
    with torch.no_grad():
        own.parameters[0].fill_(9)
    assert whole[0].tolist() == [[0, 1], [9, 9], [9, 9]]


def test_learning_rates_by_hand() -> None:
    """Two steps of warm-up to 3, then half a cosine over four."""
    settings = FitSettings(lr=3.0, steps=6, warmup_steps=2)
    expected = [1.0, 2.0, 3.0, 3 * (2 + 2**0.5) / 4, 1.5, 3 * (2 - 2**0.5) / 4, 0.0]
    assert [learning_rate(step, settings) for step in range(7)] == pytest.approx(expected)
