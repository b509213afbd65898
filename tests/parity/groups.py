"""Group schedulers and group metrics in plain loops."""

from __future__ import annotations

import math

import numpy as np
import torch
from fairlearn.metrics import MetricFrame

from debias_pt.benchmarks.group_robustness.rivals.jtt import UpWeight
from debias_pt.groups.groups import Groups
from debias_pt.groups.metrics import GroupReport
from debias_pt.models.backbone import Backbone
from debias_pt.reweighting import make_reweighter

SIZES = (13, 4, 2, 9)
GROUPS = [g for g, size in enumerate(SIZES) for _ in range(size)]
CLASSES = torch.tensor([0, 0, 1, 1])
STEPS = 50


def losses_of(step: int) -> list[float]:
    generator = np.random.default_rng(step)
    return [float(value) for value in generator.gamma(1.0 + 0.2 * np.array(GROUPS)).astype(np.float32)]


def membership() -> torch.Tensor:
    return torch.eye(4)[GROUPS]


def mean_of(values: list[float], group: int) -> float:
    own = [value for value, g in zip(values, GROUPS, strict=True) if g == group]
    return sum(own) / len(own)


def group_dro(backbone: Backbone) -> float:
    """Objective and shares over 50 steps: ``q_g *= exp(eta loss_g)``, normalised; ``sum q_g loss_g``."""
    scheduler, eta, worst = make_reweighter("group-dro", eta=0.1), 0.1, 0.0
    scheduler.start(membership(), CLASSES, runs=1)
    q = [1 / 4] * 4
    for step in range(STEPS):
        losses = losses_of(step)
        means = [mean_of(losses, g) for g in range(4)]
        q = [share * math.exp(eta * mean) for share, mean in zip(q, means, strict=True)]
        q = [share / sum(q) for share in q]
        given = torch.tensor([losses])
        objective = float((scheduler(torch.exp(-given), given, membership()) * given).mean())
        worst = max(worst, abs(objective - sum(share * mean for share, mean in zip(q, means, strict=True))))
    return worst


def cvar(backbone: Backbone) -> float:
    """Mean of the worst tenth, a third and all of the losses, the sample at the edge in part."""
    worst = 0.0
    for alpha in (0.1, 1 / 3, 1.0):
        losses = losses_of(1)
        left, total = alpha * len(losses), 0.0
        for loss in sorted(losses, reverse=True):
            total += loss * min(left, 1.0)
            left = max(left - 1.0, 0.0)
        scheduler = make_reweighter("cvar", alpha=alpha)
        scheduler.start(membership(), CLASSES, runs=1)
        given = torch.tensor([losses])
        found = float((scheduler(torch.exp(-given), given, membership()) * given).mean())
        worst = max(worst, abs(found - total / (alpha * len(losses))))
    return worst


def dpt(backbone: Backbone) -> float:
    """Weights over 50 steps: ``(1 / N_g) exp(eta (1 - p_bar_g))``, mean 1 over samples, averaged over time."""
    eta, ema, n, worst = 2.0, 0.9, len(GROUPS), 0.0
    scheduler = make_reweighter("dpt", eta=eta, ema=ema)
    scheduler.start(membership().double(), CLASSES, runs=1)
    w = [n / (4 * size) for size in SIZES]
    for step in range(STEPS):
        p = [math.exp(-loss) for loss in losses_of(step)]
        hat = [math.exp(eta * (1 - mean_of(p, g))) / SIZES[g] for g in range(4)]
        total = sum(size * value for size, value in zip(SIZES, hat, strict=True))
        w = [ema * old + (1 - ema) * value * n / total for old, value in zip(w, hat, strict=True)]
        given = torch.tensor([p], dtype=torch.float64)
        found = scheduler(given, -given.log(), membership().double())[0].tolist()
        worst = max(worst, *(abs(value - w[g]) for value, g in zip(found, GROUPS, strict=True)))
    return worst


def jtt(backbone: Backbone) -> float:
    """The mean loss with ``factor`` 10 against that over a list with ``up_weight`` 9 more copies of the errors."""
    losses, wrong = losses_of(3), [g % 2 == 1 for g in GROUPS]
    copied = losses + [loss for loss, bad in zip(losses, wrong, strict=True) if bad for _ in range(9)]
    scheduler = UpWeight(10.0)
    scheduler.start(membership(), CLASSES, runs=1)
    given = torch.tensor([losses])
    found = float((scheduler(torch.exp(-given), given, membership()) * given).mean())
    return abs(found - sum(copied) / len(copied))


def metrics(backbone: Backbone) -> float:
    """Worst group, average, adjusted average, mean over groups: plain counts, and fairlearn for groups."""
    generator = np.random.default_rng(5)
    y, attribute, predicted = (generator.integers(0, 2, 200) for _ in range(3))
    train = np.array([70, 5, 20, 30])
    groups = Groups(y, np.eye(2)[attribute], ("no", "yes"), ("a", "b"), "true")
    found = GroupReport.of(predicted[None], groups, train, [0])
    right, size = [0] * 4, [0] * 4
    for true, value, said in zip(y.tolist(), attribute.tolist(), predicted.tolist(), strict=True):
        size[2 * true + value] += 1
        right[2 * true + value] += int(said == true)
    accuracy = [hits / n for hits, n in zip(right, size, strict=True)]
    frame = MetricFrame(
        metrics=lambda true, said: float(np.mean(true == said)),
        y_true=y,
        y_pred=predicted,
        sensitive_features=2 * y + attribute,
    )
    pairs = [
        (found.worst_group_accuracy[0], min(accuracy)),
        (found.average_accuracy[0], sum(right) / sum(size)),
        (found.group_mean_accuracy[0], sum(accuracy) / 4),
        (found.adjusted_average_accuracy[0], sum(n * a for n, a in zip(train, accuracy, strict=True)) / sum(train)),
        (found.worst_group_accuracy[0], frame.group_min()),
        (found.average_accuracy[0], frame.overall),
    ]
    return max(abs(float(one) - float(other)) for one, other in pairs)
