"""Promises: which groups a report names, and by what it weighs them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from debias_pt.groups.groups import Groups
from debias_pt.workflows.report import scores_of, small_groups, train_counts, worst_group


def group(label: str, n: int, accuracy: float | None) -> dict[str, Any]:
    return {"label": label, "attribute": "in", "n": n, "accuracy": accuracy}


def test_the_worst_group_is_the_least_accurate_not_the_smallest() -> None:
    scores = {"groups": [group("cat", 3, 0.9), group("dog", 500, 0.2), group("cow", 0, None), group("pig", 40, 0.5)]}
    assert worst_group(scores) == {"label": "dog", "attribute": "in", "n": 500}
    assert [one["label"] for one in small_groups(scores)] == ["cat", "cow"]


def prepared() -> Any:
    """Training: three of group 0 and one of 1; test: one of 0 and two of 1; classes as groups."""
    split = np.array(["train"] * 4 + ["test"] * 3)
    groups = Groups.by_class(np.array([0, 0, 0, 1, 0, 1, 1]), ("cat", "dog"))
    return SimpleNamespace(mask=lambda name: split == name, report_groups=groups)


def test_the_adjusted_average_weighs_by_training() -> None:
    data = prepared()
    scores = scores_of(data, data.report_groups, np.array([[0, 0, 1]]), "test", [7])
    assert scores["average_accuracy"] == pytest.approx(2 / 3)
    assert scores["adjusted_average_accuracy"] == pytest.approx((3 * 1 + 1 * 0.5) / 4)
    assert [one["n"] for one in scores["groups"]] == [1, 2]
    assert scores["per_seed"][0]["seed"] == 7
    assert train_counts(data).tolist() == [3, 1]
