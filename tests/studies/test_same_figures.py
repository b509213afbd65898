"""Promises: the comparison of equal fits says what differs, in points and percent, and puts threads back."""

from __future__ import annotations

import numpy as np
import torch

from debias_pt.models.backbone import Backbone
from debias_pt.settings import TrainSettings
from studies.same_figures import Fitted, compare, row
from tests.helpers.small_case import gaussian_case


def test_differences_by_hand() -> None:
    one = Fitted(np.zeros((2, 2, 3)), np.array([[0, 1, 1, 0], [0, 0, 1, 1]]), np.array([0.5, 0.75]), np.array([0.5, 0]))
    two = Fitted(
        np.zeros((2, 2, 3)), np.array([[0, 1, 1, 0], [1, 0, 1, 1]]), np.array([0.5, 0.5]), np.array([0.5, 0.01])
    )
    two.weights[1, 0, 2] = -0.002
    settings = TrainSettings(dataset="waterbirds", method="dpt")
    assert row(settings, "x", one, two) == ["dpt", "x", "no", "0.002", "25 %", "25.00", "1.00"]
    assert row(settings, "x", one, one) == ["dpt", "x", "yes", "0", "0 %", "0.00", "0.00"]
    both = Fitted.joined([one, two])
    assert both.answers.tolist() == [*one.answers.tolist(), *two.answers.tolist()]
    assert both.worst.tolist() == [0.5, 0, 0.5, 0.01]


def test_the_same_fit_again_has_the_same_bits(backbone: Backbone) -> None:
    case = gaussian_case(backbone, method="dpt", steps=2)
    threads = torch.get_num_threads()
    rows = compare(case.prepared, case.settings)
    assert [line[1] for line in rows] == [
        "the same again", "alone instead of 2 in a stack", "two threads instead of one",
    ]  # fmt: skip
    assert rows[0][2:] == ["yes", "0", "0 %", "0.00", "0.00"]
    assert all(float(line[3]) < 1e-5 for line in rows)
    assert torch.get_num_threads() == threads
