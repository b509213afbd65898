"""Promises: losses' numbers in small cases worked out by hand, with their defaults, and the ends of their ranges."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from debias_pt.errors import UsageError
from debias_pt.losses import make_loss
from debias_pt.losses.nlprompt import NLPrompt
from debias_pt.losses.sinkhorn import sinkhorn

HALF_AND_QUARTERS = torch.tensor([0.5, 0.25, 0.25]).log().view(1, 1, 3)
SECOND = torch.tensor([[1]])
L = math.log(2)


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("cross-entropy", {}, 2 * L),
        ("gce", {"q": 0.5}, 1.0),
        ("gce", {}, (1 - 0.25**0.7) / 0.7),
        ("gce", {"q": 1.0}, 0.75),
        ("mae", {}, 1.5),
        ("label-smoothing", {"eps": 0.5}, 0.5 * 2 * L + 0.5 * 5 * L / 3),
        ("label-smoothing", {}, 0.9 * 2 * L + 0.1 * 5 * L / 3),
        ("label-smoothing", {"eps": 1.0}, 5 * L / 3),
        ("sce", {"alpha": 2.0, "beta": 3.0, "A": -2.0}, 2 * 2 * L + 3 * 2 * 0.75),
        ("sce", {}, 0.1 * 2 * L + 4 * 0.75),
        ("nce-rce", {"alpha": 2.0, "beta": 3.0, "A": -2.0}, 2 * 0.4 + 3 * 2 * 0.75),
        ("nce-rce", {}, 0.4 + 4 * 0.75),
        ("phuber", {"tau": 2.0}, -2 * 0.25 + L + 1),
        ("phuber", {"tau": 3.0}, -3 * 0.25 + math.log(3) + 1),
        ("phuber", {}, 2 * L),
    ],
)
def test_probabilities_of_a_half_and_two_quarters(name: str, options: dict[str, float], expected: float) -> None:
    """The given label has a quarter; the cross-entropies of the three labels are L, 2 L and 2 L."""
    assert make_loss(name, **options)(HALF_AND_QUARTERS, SECOND).item() == pytest.approx(expected, rel=1e-5)


def test_phuber_is_a_line_below_a_tenth() -> None:
    logits = torch.tensor([0.05, 0.95]).log().view(1, 1, 2)
    found = make_loss("phuber")(logits, torch.tensor([[0]])).item()
    assert found == pytest.approx(-10 * 0.05 + math.log(10) + 1, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "taken", "refused", "message"),
    [
        ("label-smoothing", {"eps": 0.0}, {"eps": -0.1}, "eps is -0.1; label-smoothing takes 0 to 1"),
        ("label-smoothing", {"eps": 1.0}, {"eps": 1.1}, "eps is 1.1; label-smoothing takes 0 to 1"),
        ("sce", {"alpha": 0.0}, {"alpha": math.inf}, "alpha is inf; sce takes 0 up"),
        ("sce", {"A": 0.0}, {"A": 1.0}, r"A is 1.0; sce takes -1e\+09 to 0"),
        ("nce-rce", {"beta": 0.0}, {"beta": -1.0}, "beta is -1.0; nce-rce takes 0 up"),
        ("nce-rce", {"A": -1e9}, {"A": -math.inf}, "A is -inf; nce-rce takes"),
        ("gce", {"q": 1.0}, {"q": 0.0}, "0 < q <= 1"),
        ("phuber", {"tau": 1.001}, {"tau": 1.0}, "tau is 1.0"),
        ("nlprompt", {"iterations": 1.0}, {"iterations": 0.9}, "nlprompt takes"),
        ("nlprompt", {"mae_weight": 0.0}, {"mae_weight": math.nan}, "nlprompt takes"),
        ("nlprompt", {"epsilon": 1e-6}, {"epsilon": math.nan}, "nlprompt takes"),
    ],
)
def test_ranges_end_where_they_say(name: str, taken: dict[str, float], refused: dict[str, float], message: str) -> None:
    make_loss(name, **taken)
    with pytest.raises(UsageError, match=message):
        make_loss(name, **refused)


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


def test_a_plan_after_no_and_one_correction() -> None:
    """exp(-cost) is 1, 1/3; 1, 1. Rows first: 3/8, 1/8; 1/4, 1/4. Columns are then 5/8 and 3/8, wanted 1/2 each."""
    cost = torch.tensor([[0.0, math.log(3)], [0.0, 0.0]])
    rows = [[3 / 8, 1 / 8], [1 / 4, 1 / 4]]
    for options in ({"tolerance": 0.4}, {"tolerance": 1e9}):
        assert torch.allclose(sinkhorn(cost, 1.0, **options), torch.tensor(rows).double(), atol=1e-7)
    # Columns times 4/5 and 4/3, rows to a half again: 9/14, 5/14 and 3/8, 5/8 of it.
    once = torch.tensor([[9 / 28, 5 / 28], [3 / 16, 5 / 16]]).double()
    assert torch.allclose(sinkhorn(cost, 1.0, tolerance=0.0, iterations=1), once, atol=1e-7)
    assert torch.allclose(sinkhorn(2 * cost, 2.0, tolerance=0.0, iterations=1), once, atol=1e-7)
