"""Where a training step's time goes: each part of one step by itself, beside the whole."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from debias_pt.models.heads import Head
from debias_pt.training.loop import Training, require_finite
from debias_pt.training.tuner import Tuner

from .case import SpeedCase
from .timing import compare, section

# Steps or parts timed together: one of them is too short for a clock beside other processes.
REPEATS = 20


def measure(case: SpeedCase) -> list[dict[str, Any]]:
    """Time the parts of a full-batch step of DPT with a prompt head, with validation in every step."""
    settings = replace(case.settings, method="dpt", seeds=1, select="pseudo-confidence", batch_size=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of small groups
        tuner = Tuner(case.backbone, settings)
        run_group = tuner.run_group(case.prepared.table, case.prepared.pseudo)
        head = tuner.make_head(case.prepared.table.class_names)
    training = Training(head, [run_group])
    parts = step_parts(training)
    repeated = {name: _repeat(part) for name, part in parts.items()}
    timings = compare({**repeated, "whole steps": _steps(training)}, case.rounds)
    note = f"each {REPEATS} times; {len(run_group.train)} training and {len(run_group.val)} validation images"
    if case.backbone.device.type == "cuda":
        note += f"; {launches(_steps(training, 1))} kernels launched per step"
    return [section("Parts of a step", timings, "whole steps", note=note)]


def step_parts(training: Training) -> dict[str, Callable[[], object]]:
    """Return calls that do what one part of :meth:`Training.run` does; none changes the training's results."""
    (run_group,) = training.run_groups
    head = training.head
    weights = head().detach()
    forward = training._forward(run_group, weights)
    score = run_group.selector.score_

    def record() -> None:
        require_finite(run_group, forward, "timing", 0.0)
        training._record(run_group, forward, score)
        run_group.history_.clear()

    return {
        "text pass, forward": lambda: _without_gradient(head),
        "text pass, forward and backward": lambda: _gradient(head),
        "logits, loss and weights, forward and backward": lambda: _gradient_of_loss(training, weights),
        "validation": lambda: training._validate(weights),
        "checks and history": record,
    }


@torch.no_grad()
def _without_gradient(head: Head) -> None:
    head()


def _gradient(head: Head) -> None:
    head.zero_grad()
    torch.autograd.backward(head().sum())


def _gradient_of_loss(training: Training, weights: Tensor) -> None:
    (run_group,) = training.run_groups
    leaf = weights.clone().requires_grad_()
    torch.autograd.backward(training._forward(run_group, leaf).objective.sum())


def _steps(training: Training, count: int = REPEATS) -> Callable[[], None]:
    """Return a call that makes `count` more steps of the training."""

    def run() -> None:
        training.step_ = training.settings.steps - count
        training.run()

    return run


def _repeat(part: Callable[[], object]) -> Callable[[], None]:
    def run() -> None:
        for _ in range(REPEATS):
            part()

    return run


def launches(call: Callable[[], object]) -> int:
    """Count the kernels that a call starts on the GPU."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        call()
    return sum(event.count for event in profile.key_averages())
