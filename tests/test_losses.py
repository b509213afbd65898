"""Promises: losses equal plain formulas, limits and gradients hold, names and options are checked."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from debias_pt.errors import UsageError
from debias_pt.losses import make_loss

LOGITS = torch.tensor([[[2.0, -1.0, 0.5], [0.1, 0.2, 0.3]], [[-3.0, 4.0, 0.0], [1.0, 1.0, 1.0]]])
Y = torch.tensor([[0, 2], [0, 1]])


def plain_p(run: int, row: int) -> float:
    z = LOGITS[run, row].tolist()
    return math.exp(z[Y[run, row]]) / sum(math.exp(v) for v in z)


def test_cross_entropy_equals_torch_and_the_plain_formula() -> None:
    found = make_loss("cross-entropy")(LOGITS, Y)
    reference = torch.nn.functional.cross_entropy(LOGITS.flatten(0, 1), Y.flatten(), reduction="none").view(2, 2)
    assert torch.allclose(found, reference)
    assert float(found[1, 0]) == pytest.approx(-math.log(plain_p(1, 0)), rel=1e-5)


@given(q=st.floats(0.05, 1))
def test_gce_equals_the_plain_formula(q: float) -> None:
    found = make_loss("gce", q=q)(LOGITS, Y)
    for run in range(2):
        for row in range(2):
            assert float(found[run, row]) == pytest.approx((1 - plain_p(run, row) ** q) / q, rel=1e-4, abs=1e-6)


def test_gce_goes_to_cross_entropy_and_is_half_the_absolute_error_at_one() -> None:
    assert torch.allclose(make_loss("gce", q=1e-4)(LOGITS, Y), make_loss("cross-entropy")(LOGITS, Y), rtol=1e-3)
    p = LOGITS.softmax(-1)
    mae = (p - torch.eye(3)[Y]).abs().sum(-1)
    assert torch.allclose(make_loss("gce", q=1.0)(LOGITS, Y), mae / 2, atol=1e-6)


def test_gce_gradient_stays_finite_where_p_underflows() -> None:
    logits = torch.tensor([[[200.0, -200.0]]], requires_grad=True)
    make_loss("gce", q=0.5)(logits, torch.tensor([[1]])).sum().backward()
    assert logits.grad is not None
    assert bool(logits.grad.isfinite().all())


@pytest.mark.parametrize("q", [0.0, -1.0, 1.5])
def test_q_out_of_range_is_refused(q: float) -> None:
    with pytest.raises(UsageError, match="0 < q <= 1"):
        make_loss("gce", q=q)


def test_unknown_loss_and_foreign_option() -> None:
    with pytest.raises(UsageError, match="did you mean 'cross-entropy'"):
        make_loss("cross_entropy")
    with pytest.raises(UsageError, match="does not take q"):
        make_loss("cross-entropy", q=0.5)
