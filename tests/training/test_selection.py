"""Promises: rules equal plain loops, empty groups left out; the best step of each run is kept, and goes on."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from debias_pt.methods import complete
from debias_pt.models.heads import LinearHead
from debias_pt.settings import SELECTIONS, FitSettings
from debias_pt.training.selection import RULES, Selector
from debias_pt.utils.membership import Membership
from tests.helpers.gaussian_fit import make

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_selector_goes_on_from_its_state() -> None:
    """Two runs, two parameters; the second run is best at step 1, ties go to the later step."""
    parameters = [torch.nn.Parameter(torch.zeros(2, 1)), torch.nn.Parameter(torch.zeros(2, 1, 3))]
    selector = Selector("average-accuracy", parameters)
    y, membership = torch.tensor([0, 1]), torch.eye(2)
    right, half = [[9.0, 0], [0, 9]], [[9.0, 0], [9, 0]]
    steps = [torch.tensor([half, half]), torch.tensor([half, right]), torch.tensor([half, half])]
    for step, logits in enumerate(steps[:2]):
        for parameter in parameters:
            parameter.data.fill_(step + 1)
        selector.observe(step, logits, y, membership)
        assert selector.score_.isfinite().all()  # from the first step on, unless told otherwise
    state = copy.deepcopy(selector.state_dict())
    assert set(state) == {"score", "step", "kept.0", "kept.1"}
    again = Selector("average-accuracy", parameters)
    again.load_state_dict(state)
    for parameter in parameters:
        parameter.data.fill_(3)
    for one in (selector, again):
        assert one.observe(2, steps[2], y, membership).tolist() == [0.5, 0.5]
        assert one.step_.tolist() == [2, 1]
        assert one.score_.tolist() == [0.5, 1.0]
        assert [kept.flatten().tolist() for kept in one.kept_] == [[3, 2], [3, 3, 3, 2, 2, 2]]
    again.restore()
    assert parameters[0].tolist() == [[3], [2]]
    assert RULES["last"].score(4, steps[0], y, membership).tolist() == [4, 4]


def test_the_worst_group_is_that_of_the_groups_there_are() -> None:
    """Three groups of which the second is empty; probabilities 3/4 and 1/4 of the true class."""
    logits = torch.tensor([[[0.75, 0.25], [0.75, 0.25], [0.75, 0.25]]]).log()
    y, membership = torch.tensor([0, 0, 1]), Membership(torch.tensor([0, 0, 2]), 3)
    assert RULES["pseudo-confidence"].score(0, logits, y, membership).tolist() == pytest.approx([0.25])
    assert RULES["pseudo-wga"].score(0, logits, y, membership).tolist() == [0]
    assert RULES["average-accuracy"].score(0, logits, y, membership).tolist() == pytest.approx([2 / 3])
    both_right = torch.tensor([0, 0, 0])
    assert RULES["pseudo-wga"].score(0, logits, both_right, membership).tolist() == [1]
    assert RULES["pseudo-confidence"].score(0, logits, both_right, membership).tolist() == pytest.approx([0.75])


def test_steps_may_be_kept_from_a_share_of_the_fit_on() -> None:
    training = make(LinearHead(24, 2), select="average-accuracy", steps=10, select_after=0.6)
    assert training.run_groups[0].selector.first_step == 6
    assert make(LinearHead(24, 2), steps=10, select_after=0.0).run_groups[0].selector.first_step == 0


def test_selection_keeps_the_best_step_of_each_run() -> None:
    parameter = torch.nn.Parameter(torch.zeros(2, 1))
    selector = Selector("average-accuracy", [parameter], first_step=1)
    y, membership = torch.tensor([0, 1]), torch.eye(2)
    right, wrong = torch.tensor([[9.0, 0], [0, 9]]), torch.tensor([[0.0, 9], [9, 0]])
    half = torch.tensor([[9.0, 0], [9, 0]])
    for step, logits in enumerate([(right, right), (half, right), (half, half), (wrong, right)]):
        parameter.data.fill_(step)
        selector.observe(step, torch.stack(logits), y, membership)
    selector.restore()
    assert selector.step_.tolist() == [2, 3]  # step 0 is too early, the later of equals wins
    assert parameter.flatten().tolist() == [2, 3]


def test_rules_equal_plain_loops_and_leave_empty_groups_out() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 30, 2, generator=generator)
    y = torch.randint(0, 2, (30,), generator=generator)
    groups = 2 * y + torch.randint(0, 2, (30,), generator=generator)
    membership = torch.eye(6)[groups]
    for run in range(2):
        by_group = [[i for i in range(30) if groups[i] == g] for g in range(4)]
        right = [float(logits[run, i].argmax() == y[i]) for i in range(30)]
        p = [float(logits[run, i].softmax(0)[y[i]]) for i in range(30)]
        expected = {
            "average-accuracy": np.mean(right),
            "pseudo-wga": min(np.mean([right[i] for i in rows]) for rows in by_group),
            "true-wga": min(np.mean([right[i] for i in rows]) for rows in by_group),
            "pseudo-confidence": min(np.mean([p[i] for i in rows]) for rows in by_group),
            "last": 8.0,
        }
        for name, value in expected.items():
            assert float(RULES[name].score(8, logits, y, membership)[run]) == pytest.approx(value, abs=1e-6)


def test_only_the_named_rule_uses_true_attributes() -> None:
    assert set(SELECTIONS) == set(RULES)
    assert [name for name, rule in RULES.items() if rule.uses_true_attributes] == ["true-wga"]
    assert complete(FitSettings()).select == "last"
