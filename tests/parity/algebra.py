"""Projections, transport and aggregation by other routes than the library takes."""

from __future__ import annotations

import numpy as np
import ot
import torch

from debias_pt.benchmarks.group_robustness.rivals.ppa import GroupHead
from debias_pt.benchmarks.group_robustness.rivals.projection import calibrated, off_span
from debias_pt.groups.groups import Groups
from debias_pt.losses.sinkhorn import sinkhorn
from debias_pt.models.backbone import Backbone


def orth_cal(backbone: Backbone) -> float:
    """Each row of P by least squares from what it minimises, P0 by the pseudo-inverse."""
    generator = np.random.default_rng(0)
    words, pairs, strength = generator.normal(size=(3, 12)), generator.normal(size=(9, 12)), 1000.0
    first = np.eye(12) - np.linalg.pinv(words) @ words
    system = np.concatenate([np.eye(12), np.sqrt(strength / len(pairs)) * pairs])
    rows = [np.linalg.lstsq(system, np.append(row, np.zeros(len(pairs))), rcond=None)[0] for row in first]
    return float(np.abs(calibrated(off_span(words), pairs, strength) - np.stack(rows)).max())


def transport(backbone: Backbone) -> float:
    """Rows and columns of the kernel scaled in turn, in plain loops; and POT."""
    cost = np.random.default_rng(1).random((6, 3))
    epsilon, kernel = 0.2, np.exp(-cost / 0.2)
    rows, columns = [1.0] * 6, [1.0] * 3
    for _ in range(2000):
        for i in range(6):
            rows[i] = (1 / 6) / sum(kernel[i, k] * columns[k] for k in range(3))
        for k in range(3):
            columns[k] = (1 / 3) / sum(kernel[i, k] * rows[i] for i in range(6))
    plain = np.array([[rows[i] * kernel[i, k] * columns[k] for k in range(3)] for i in range(6)])
    theirs = ot.sinkhorn(np.full(6, 1 / 6), np.full(3, 1 / 3), cost, epsilon, numItermax=5000, stopThr=1e-13)
    found = sinkhorn(torch.from_numpy(cost), epsilon, iterations=5000, tolerance=1e-12).numpy()
    return float(max(np.abs(found - plain).max(), np.abs(found - theirs).max()))


def ppa(backbone: Backbone) -> float:
    """A class's weight is the sum over its groups; one of them never occurs, and stays at zero in a fit."""
    y = np.array([0] * 6 + [1] * 6)
    attribute = np.array([0] * 6 + [0, 0, 1, 1, 1, 1])
    groups = Groups(y, np.eye(2)[attribute], ("no", "yes"), ("right", "wrong"), "pseudo")
    x = torch.randn(12, 5, generator=torch.Generator().manual_seed(0))
    prior = torch.from_numpy(groups.counts / 12).log().float()
    head = GroupHead(5, groups, seeds=[0], scale=1.0)
    optimizer = torch.optim.SGD(head.parameters(), lr=0.5)
    plain = np.zeros((4, 5))
    index = groups.index
    for _ in range(20):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(head.logits(head(), x)[0] + prior, torch.from_numpy(index)).backward()
        optimizer.step()
        gradient = np.zeros((4, 5))
        for row, g in zip(x.double().numpy(), index, strict=True):
            weight = [0.0 if not n else n / 12 * np.exp(plain[k] @ row) for k, n in enumerate(groups.counts)]
            for k in range(4):
                gradient[k] += (weight[k] / sum(weight) - (k == g)) * row / 12
        plain -= 0.5 * gradient
    classes = np.stack([plain[0] + plain[1], plain[2] + plain[3]])
    return float(np.abs(head.class_weights(head())[0].detach().numpy() - classes).max())
