"""Promises: different runs fitted together are each what they are alone, at every step, whatever they differ in:
method, loss, learning rate, warm-up, seeds, groups, data; a stack resumes; what must be common is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from debias_pt.fit_data import FitData
from debias_pt.groups import Groups
from debias_pt.heads import LinearHead
from debias_pt.losses import Loss, make_loss
from debias_pt.part import Part
from debias_pt.settings import FitSettings
from debias_pt.training import Training
from debias_pt.tuner import scheduler

from .worlds import gaussian_table

TABLE = gaussian_table()
TRUE = Groups.true(TABLE.y, TABLE.class_names, [TABLE.attributes["background"]])
CPU = torch.device("cpu")
DIFFERENT: tuple[dict[str, Any], ...] = (
    {"method": "dpt", "lr": 0.05, "warmup_steps": 3, "seeds": 2},
    {"method": "erm", "lr": 0.2, "loss": "gce", "q": 0.5},
    {"method": "group-dro", "eta": 0.5, "lr": 0.01, "seed": 4, "seeds": 2},
    {"method": "cvar", "alpha": 0.3, "lr": 0.1, "warmup_steps": 1},
    {"method": "dpt", "eta": 4.0, "ema": 0.5, "normalize": "sum", "refresh": "epoch"},
    {"method": "class-balanced", "select": "average-accuracy"},
)


def split(name: str, groups: Groups = TRUE) -> FitData:
    return FitData.of(TABLE.where(name), groups.rows(TABLE.split == name), CPU)


def part(
    criterion: Loss | None = None, train: FitData | None = None, val: FitData | None = None, **options: Any
) -> Part:
    settings = FitSettings(**{"steps": 9, "lr": 0.05, "weight_decay": 0.02, "select": "pseudo-wga", **options})
    seeds = range(settings.seed, settings.seed + settings.seeds)
    criterion = criterion or make_loss(settings.loss, q=settings.q)
    return Part(criterion, scheduler(settings), settings, seeds, train or split("train"), val or split("val"), TRUE)


def train(parts: Sequence[Part]) -> Training:
    training = Training(LinearHead(24, 2, seeds=[s for one in parts for s in one.seeds], scale=5.0), parts)
    training.run()
    return training


def assert_same(together: Training, alone: Sequence[Training]) -> None:
    """Every step's figures, and what was learned, part by part."""
    for of_stack, single in zip(together.parts, alone, strict=True):
        (own,) = single.parts
        assert len(of_stack.history_) == len(own.history_) == single.settings.steps
        for row, other in zip(of_stack.history_, own.history_, strict=True):
            assert row.keys() == other.keys()
            for name, value in row.items():
                np.testing.assert_allclose(np.array(value), np.array(other[name]), rtol=2e-4, atol=2e-6, err_msg=name)
        for whole, one in zip(together.head.parameters(), single.head.parameters(), strict=True):
            assert torch.allclose(whole[of_stack.runs], one, atol=1e-5)
        assert of_stack.selector.step_.tolist() == own.selector.step_.tolist()


@pytest.mark.parametrize("batch_size", [None, 64])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_different_parts_are_the_parts_alone(batch_size: int | None, optimizer: str) -> None:
    common = {"batch_size": batch_size, "optimizer": optimizer}
    together = train([part(**{**common, **one}) for one in DIFFERENT])
    assert_same(together, [train([part(**{**common, **one})]) for one in DIFFERENT])


def noisy(seed: int, name: str, rate: float = 0.3) -> FitData:
    """A few-shot sample with wrong labels of a run's own; groups of these labels."""
    rng = np.random.default_rng(seed)
    rows = rng.choice(np.flatnonzero(TABLE.split == name), 40, replace=False)
    y = np.where(rng.random(40) < rate, 1 - TABLE.y[rows], TABLE.y[rows])
    own = replace(
        TABLE, ids=tuple(TABLE.ids[i] for i in rows), features=TABLE.features[rows], y=y, split=TABLE.split[rows]
    )
    own = replace(own, attributes={})
    groups = replace(TRUE.rows(rows), y=y)
    return FitData.of(own, groups, CPU)
