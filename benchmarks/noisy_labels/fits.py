"""From cells to accuracies: stacked fits of heads, linear probes and zero-shot."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from debias_pt.datasets.attributes import TrueAttribute
from debias_pt.groups.groups import Groups
from debias_pt.noise.confident_learning import confident_mask
from debias_pt.noise.linear_probe import fit_linear_probe, joined_probes
from debias_pt.settings import FitSettings
from debias_pt.training.data import FitData, membership_of
from debias_pt.training.gradients import GradientWatch, log_steps
from debias_pt.training.loop import Training
from debias_pt.training.run_group import SHARED_SETTINGS, RunGroup
from debias_pt.training.tuner import Tuner, criterion, scheduler

from .case import NoisyCase
from .cells import APART, TUNED_PROBE, ZERO_SHOT, Cell, fit_settings

Trace = list[dict[str, object]]
TRACE_POINTS = 12
PROBE_C = 100.0


@dataclass(frozen=True)
class Sample:
    """What one run of a cell trains on: features ``(n, D)``, labels, and which of them are wrong."""

    features: NDArray[np.float32]
    y: NDArray[np.int64]
    wrong: NDArray[np.bool_]
    facts: dict[str, Any]


def sample(case: NoisyCase, cell: Cell, seed: int) -> Sample:
    """Draw a run's samples, filter them if the cell says so, and take their features."""
    labels = case.draw(cell, seed)
    rows, kept = labels.rows(case.table), np.ones(len(labels), dtype=bool)
    if cell.filtered:
        kept = confident_mask(case.table.features[rows], labels.y_given, labels.n_classes, seed=seed)
    copies = 1 + case.settings.views
    facts = {"samples": int(kept.sum()), "realised": labels.realised}
    if cell.filtered:
        facts["realised_after_filter"] = float(labels.wrong[kept].mean())
    x = case.features(rows[kept], seed)
    return Sample(x, np.tile(labels.y_given[kept], copies), np.tile(labels.wrong[kept], copies), facts)


def measure(case: NoisyCase, cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """Fit cells of one shape together and score each on the reported split.

    Returns
    -------
    list of dict
        For each cell ``per_seed`` accuracies, that of the ``ensemble`` (logits averaged over seeds), facts of the
        ``samples``, the ``trace`` of gradient shares if asked for, and ``seconds``.
    """
    start = time.perf_counter()
    # A probe's products are small: threads spend more time waiting than working, above all on a busy machine.
    with threadpool_limits(1, user_api="blas"):
        samples = [[sample(case, cell, seed) for seed in case.seeds] for cell in cells]
        logits = [apart(case, cell, own) for cell, own in zip(cells, samples, strict=True) if cell.head in APART]
    traces: list[Trace | None] = [None] * len(cells)
    if not logits:  # cells of one shape: all apart, or none
        logits, traces = together(case, cells, samples)
    seconds = (time.perf_counter() - start) / len(cells)
    y = case.reported.y
    return [
        {
            "per_seed": [float(value) for value in (own.argmax(axis=-1) == y).mean(axis=1)],
            "ensemble": float((own.mean(axis=0, dtype=np.float64).argmax(axis=-1) == y).mean()),  # logits, as in PTNL
            "samples": [one.facts for one in drawn],
            "trace": trace,
            "seconds": seconds,
        }
        for own, drawn, trace in zip(logits, samples, traces, strict=True)
    ]


def apart(case: NoisyCase, cell: Cell, samples: Sequence[Sample]) -> NDArray[np.floating]:
    """Return the logits ``(R, N, K)`` of cells that are fitted without the loop."""
    if cell.head == ZERO_SHOT:
        logits = np.log(case.probabilities[case.table.split == case.settings.split])
        return np.repeat(logits[None], len(samples), axis=0)
    held = [few_validation(case, seed) for seed in case.seeds] if cell.head == TUNED_PROBE else [None] * len(samples)
    n_classes = len(case.table.class_names)
    probes = [
        fit_linear_probe(one.features, one.y, n_classes, C=PROBE_C if few is None else None, validation=few)
        for one, few in zip(samples, held, strict=True)
    ]
    return joined_probes(probes).logits(case.reported.features)


def few_validation(case: NoisyCase, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return as many clean validation images as CoOp takes: at most 4 per class, and no more than shots."""
    rows = case.few_shot(seed, "val").rows(case.table)
    return case.table.features[rows], case.table.y[rows]


def together(
    case: NoisyCase, cells: Sequence[Cell], samples: Sequence[Sequence[Sample]]
) -> tuple[list[NDArray[np.floating]], list[Trace | None]]:
    """Fit all runs of cells of one shape at once; return logits ``(R, N, K)`` and traces, cell by cell."""
    run_groups = [
        run_group(case, fit_settings(cell, case.settings, drawn_size(case, cell)), one, seed)
        for cell, own in zip(cells, samples, strict=True)
        for seed, one in zip(case.seeds, own, strict=True)
    ]
    tuner = Tuner(case.backbone, run_groups[0].settings)
    head = tuner.make_head(case.table.class_names, [seed for own in run_groups for seed in own.seeds])
    training = Training(head, run_groups)
    watches = [
        gradient_watch(training, samples[number], number) if cell.traced else None for number, cell in enumerate(cells)
    ]
    training.run([watch for watch in watches if watch])
    with torch.no_grad():
        features = torch.from_numpy(case.reported.features).to(case.backbone.device)
        logits = head.logits(head.class_weights(head()), features).cpu().numpy()
    return np.split(logits, len(cells)), [watch.rows_ if watch else None for watch in watches]


def run_group(case: NoisyCase, settings: FitSettings, one: Sample, seed: int) -> RunGroup:
    """Return one run's share of a fit; without group weights, without validation."""
    names = case.table.class_names
    groups = Groups.true(one.y, names, [TrueAttribute(("all",), np.zeros(len(one.y), dtype=np.int64))])
    device = case.backbone.device
    y = torch.from_numpy(one.y).to(device)
    train = FitData(torch.from_numpy(one.features).to(device), y, membership_of(groups, device))
    return RunGroup(criterion(settings), scheduler(settings), settings, [seed], train, train.at(slice(0, 0)), groups)


def gradient_watch(training: Training, samples: Sequence[Sample], number: int) -> GradientWatch:
    """Return what measures the noisy samples' share of the gradient in the runs of one cell."""
    runs = len(samples)
    wrong = np.stack([one.wrong for one in samples])
    steps = log_steps(training.settings.steps, TRACE_POINTS)
    return GradientWatch(wrong, steps, slice(number * runs, (number + 1) * runs))


def shape(case: NoisyCase, cell: Cell) -> tuple[object, ...]:
    """Return what cells must have in common to be fitted together."""
    if cell.head in APART:
        return (cell,)
    settings = fit_settings(cell, case.settings, drawn_size(case, cell))
    return (cell.head, cell.context, *(getattr(settings, name) for name in SHARED_SETTINGS))


def drawn_size(case: NoisyCase, cell: Cell) -> int:
    """Return how many images a run is given, before any filter: an epoch's length."""
    return len(case.draw(cell, case.seeds[0]))
