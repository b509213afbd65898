"""Promises: the noisy share is a plain loop's over samples, run by run and for every head; watching changes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from debias_pt.errors import UsageError
from debias_pt.groups.groups import Groups
from debias_pt.losses import Loss, make_loss
from debias_pt.models.backbone import Backbone
from debias_pt.models.heads import HEADS, Head, LinearHead
from debias_pt.settings import FitSettings
from debias_pt.training.gradients import GradientWatch, gradient_share, log_steps
from debias_pt.training.tuner import Tuner
from tests.helpers.tiny_data import gaussian_table

NAMES = ["landbird", "a small water bird"]
GENERATOR = torch.Generator().manual_seed(0)
FEATURES = torch.nn.functional.normalize(torch.randn(6, 24, generator=GENERATOR), dim=-1)
Y = torch.tensor([0, 1, 0, 1, 1, 0])
NOISY = torch.tensor([True, False, False, True, False, False])


def plain_share(head: Head, loss: Loss, run: int, noisy: torch.Tensor) -> tuple[float, float]:
    """One backward pass per sample, summed by hand."""
    sums: dict[bool, Any] = {True: 0, False: 0}
    weight_sums: dict[bool, Any] = {True: 0, False: 0}
    weights = head()
    for i in range(6):
        logits = head.scale * weights[run] @ FEATURES[i]
        value = loss(logits[None, None], Y[i][None, None]).sum()
        found = torch.autograd.grad(value, [weights, *head.parameters()], retain_graph=True)
        weight_sums[bool(noisy[i])] += found[0][run]
        sums[bool(noisy[i])] += torch.cat([gradient[run].flatten() for gradient in found[1:]])
    parts = [(float(s[True].norm()), float(s[False].norm())) for s in (sums, weight_sums)]
    return parts[0][0] / sum(parts[0]), parts[1][0] / sum(parts[1])


@pytest.mark.parametrize("name", sorted(HEADS))
@pytest.mark.parametrize("loss", [make_loss("cross-entropy"), make_loss("gce", q=0.7)])
def test_the_share_is_a_plain_loops(backbone: Backbone, name: str, loss: Loss) -> None:
    head = HEADS[name](backbone, NAMES, [0, 1], FitSettings(head=name))
    noisy = torch.stack([NOISY, NOISY.roll(1)])
    found = gradient_share(head, loss, FEATURES, Y, noisy)
    for run in range(2):
        parameters, class_weights = plain_share(head, loss, run, noisy[run])
        assert found.parameters[run].item() == pytest.approx(parameters, abs=1e-4)
        assert found.class_weights[run].item() == pytest.approx(class_weights, abs=1e-4)
    assert all(parameter.grad is None for parameter in head.parameters())


def test_without_noise_the_share_is_nothing_and_all_noise_is_all() -> None:
    head = LinearHead(24, 2, seeds=[0], scale=5.0)
    loss = make_loss("cross-entropy")
    assert gradient_share(head, loss, FEATURES, Y, torch.zeros(6, dtype=torch.bool)).parameters.tolist() == [0.0]
    assert gradient_share(head, loss, FEATURES, Y, torch.ones(6, dtype=torch.bool)).parameters.tolist() == [1.0]


def test_some_of_a_heads_runs_can_be_asked() -> None:
    head = LinearHead(24, 2, seeds=[0, 1, 2], scale=5.0)
    loss = make_loss("cross-entropy")
    whole = gradient_share(head, loss, FEATURES, Y, NOISY)
    some = gradient_share(head, loss, FEATURES, Y, NOISY, runs=slice(1, 3))
    assert torch.equal(some.parameters, whole.parameters[1:])
    assert torch.equal(some.class_weights, whole.class_weights[1:])


def test_each_sample_needs_a_mark() -> None:
    with pytest.raises(UsageError, match="5 marks of noise for 6 samples"):
        gradient_share(LinearHead(24, 2), make_loss("cross-entropy"), FEATURES, Y, NOISY[:5])


@pytest.mark.parametrize("loss", ["cross-entropy", "nlprompt"])
def test_watching_a_fit_changes_nothing(backbone: Backbone, loss: str) -> None:
    table = replace(gaussian_table(), fingerprint={})
    groups = Groups.true(table.y, table.class_names, [table.attributes["background"]])
    options = {"head": "linear", "method": "erm", "steps": 4, "seeds": 2, "batch_size": 200, "loss": loss}
    noisy = np.arange(int((table.split == "train").sum())) % 4 == 0
    plain = Tuner(backbone, **options).fit(table, groups)
    watch = GradientWatch(noisy, [0, 1, 4])
    watched = Tuner(backbone, **options).fit(table, groups, callbacks=[watch])
    assert np.array_equal(plain.class_weights_, watched.class_weights_)
    assert [row["step"] for row in watch.rows_] == [0, 1, 4]
    shares: Any = [row["parameters"] for row in watch.rows_]
    assert all(len(share) == 2 and 0 < min(share) <= max(share) < 1 for share in shares)
    assert shares[0] != shares[-1]


@pytest.mark.parametrize(("steps", "points"), [(1, 20), (200, 20), (0, 5), (30, 2)])
def test_steps_run_from_first_to_last(steps: int, points: int) -> None:
    found = log_steps(steps, points)
    assert found[0] == 0
    assert found[-1] == steps
    assert found == sorted(set(found))
    assert len(found) <= max(points, 3)
