"""Do the intervals hold what they promise? ``python -m studies.interval_coverage``.

Images are drawn again and again from a population in which the truth is known; a 95 % interval has to contain it in
95 of 100 draws.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from debias_pt.benchmarks.shared.tables import markdown_table
from debias_pt.groups.intervals import effective_images, wilson_interval, worst_group_interval
from debias_pt.groups.paired import average_difference, worst_group_difference

Floats = NDArray[np.float64]
# Normal quantiles that stand in for all seeds there could be.
SEEDS: Floats = ndtri((np.arange(2001) + 0.5) / 2001)
AGREEMENT, SHARED = 0.85, 0.7  # share of an answer's variance that is the image's; of that, what two methods share


@dataclass(frozen=True)
class Design:
    """Two methods on some groups.

    Parameters
    ----------
    name : str
        As shown.
    accuracies, others : tuple of float
        Of each method on each group.
    sizes : tuple of int
        Images of each group.
    seed_spread : float
        How much seeds differ, as standard deviations of a probit.
    """

    name: str
    accuracies: tuple[float, ...]
    others: tuple[float, ...]
    sizes: tuple[int, ...]
    seed_spread: float = 0.1


DESIGNS = (
    Design("one group clearly worst", (0.6, 0.8, 0.9, 0.95), (0.45, 0.85, 0.95, 0.95), (56, 642, 642, 642)),
    Design("two equally bad", (0.75, 0.75, 0.9, 0.95), (0.6, 0.85, 0.95, 0.95), (200,) * 4),
    Design("four equally bad", (0.8,) * 4, (0.5, 0.85, 0.9, 0.95), (200,) * 4),
    Design("nine equally bad", (0.6,) * 9, (0.4, 0.6, 0.6, 0.7, 0.7, 0.8, 0.8, 0.9, 0.9), (60,) * 9),
    Design("four near each other", (0.75, 0.77, 0.79, 0.81), (0.65, 0.72, 0.84, 0.9), (200,) * 4),
    Design("another group than the other's", (0.7, 0.9, 0.9, 0.95), (0.95, 0.9, 0.9, 0.6), (100,) * 4),
    Design("both methods with four equally bad", (0.8,) * 4, (0.75,) * 4, (200,) * 4),
)


@dataclass(frozen=True)
class Draw:
    """Answers of R runs of both methods ``(R, N)``, the images' groups ``(N,)``, and what there is to be covered."""

    right: NDArray[np.bool_]
    other: NDArray[np.bool_]
    index: NDArray[np.int64]
    by_run: Floats  # (2, R, G): accuracy of either method's very runs on all images there could be


def draw(design: Design, runs: int, rng: np.random.Generator) -> Draw:
    """Draw images and seeds: an answer is right where image, seed and chance together stay below a group's bound."""
    index = np.repeat(np.arange(len(design.sizes)), design.sizes)
    shared = rng.normal(size=len(index))
    answers, by_run = [], []
    for accuracies in (design.accuracies, design.others):
        own = rng.normal(size=len(index))
        image = np.sqrt(SHARED) * shared + np.sqrt(1 - SHARED) * own
        chance = rng.normal(size=(runs, len(index)))
        seed = rng.normal(size=runs) * design.seed_spread
        bound = ndtri(np.array(accuracies))[index] + seed[:, None]
        answers.append(np.sqrt(AGREEMENT) * image + np.sqrt(1 - AGREEMENT) * chance < bound)
        by_run.append(ndtr(ndtri(np.array(accuracies)) + seed[:, None]))
    return Draw(answers[0], answers[1], index, np.stack(by_run))


@cache
def all_seeds(design: Design) -> Floats:
    """Return the accuracy of both methods on every group with each of :data:`SEEDS`, shape ``(2, 2001, G)``."""
    bounds = ndtri(np.array([design.accuracies, design.others]))
    return np.asarray(ndtr(bounds[:, None] + design.seed_spread * SEEDS[:, None]))


def population(design: Design, one: Draw) -> Floats:
    """Return what a difference is to be of: all seeds there could be, or the one seed there is; ``(2, S, G)``."""
    return all_seeds(design) if one.by_run.shape[1] > 1 else one.by_run


Covers = Callable[[Design, Draw], bool]


def covers_group(design: Design, one: Draw) -> bool:
    """Whether the first group's interval contains its accuracy."""
    right = one.right[:, one.index == 0]
    images = effective_images(right)
    return inside(wilson_interval(float(right.mean()) * images, images), float(one.by_run[0, :, 0].mean()))


def covers_worst(design: Design, one: Draw) -> bool:
    """Whether the worst group's interval contains the worst accuracy, the mean over the runs."""
    groups = [one.right[:, one.index == g] for g in range(len(design.sizes))]
    accuracy = np.stack([right.mean(axis=1) for right in groups], axis=1)
    images = np.array([effective_images(right) for right in groups])
    return inside(worst_group_interval(accuracy, images), float(one.by_run[0].min(axis=1).mean()))


def covers_average_difference(design: Design, one: Draw) -> bool:
    """Whether the interval of the difference in average accuracy contains it."""
    mean = population(design, one).mean(axis=1) @ np.array(design.sizes) / sum(design.sizes)
    return inside(average_difference(one.right, one.other).interval, float(mean[0] - mean[1]))


def covers_worst_difference(design: Design, one: Draw) -> bool:
    """Whether the interval of the difference in worst-group accuracy contains it."""
    worst = population(design, one).min(axis=2).mean(axis=1)
    interval = worst_group_difference(one.right, one.other, one.index).interval
    return inside(interval, float(worst[0] - worst[1]))


def inside(interval: tuple[float, float], truth: float) -> bool:
    """Tell whether an interval contains the truth."""
    return interval[0] <= truth <= interval[1]


CHECKS: dict[str, Covers] = {
    "one group": covers_group,
    "worst group": covers_worst,
    "difference, average": covers_average_difference,
    "difference, worst group": covers_worst_difference,
}


def coverage(design: Design, check: Covers, runs: int, draws: int = 1000, seed: int = 0) -> float:
    """Return the share of draws whose interval contains the truth."""
    rng = np.random.default_rng(seed)
    return sum(map(bool, (check(design, draw(design, runs, rng)) for _ in range(draws)))) / draws


def main(draws: Annotated[int, typer.Option(help="Of each design.", min=1)] = 1000) -> None:
    """Print how often 95 % intervals contain the truth, in percent."""
    lines = [
        [design.name, str(runs), *[f"{100 * coverage(design, check, runs, draws):.1f}" for check in CHECKS.values()]]
        for design in DESIGNS
        for runs in (1, 3, 5)
    ]
    print(markdown_table(["groups of the first method", "seeds", *CHECKS], lines, left=1))


if __name__ == "__main__":
    typer.run(main)
