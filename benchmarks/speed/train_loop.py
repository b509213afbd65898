"""A whole training from cached features, compared with a CoOp-style loop that encodes every image in every epoch."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import torch

from debias_pt.training.tuner import Tuner

from .case import SpeedCase
from .coop_loop import BATCH, EPOCHS, CoOpLoop
from .timing import Timing, compare, section


def measure(case: SpeedCase) -> list[dict[str, Any]]:
    """Time a training step and a whole training, ours and CoOp's; CoOp's 50 epochs are scaled from a few steps."""
    table, settings = case.prepared.table, replace(case.settings, method="erm", seeds=1)
    train = table.where("train")
    paths = [str(case.dataset.root / name) for name in train.ids]
    loop = CoOpLoop(case.backbone, paths, torch.from_numpy(train.y), table.class_names, case.settings.workers)
    part = 2 if case.quick else 8

    def some_steps() -> None:
        for _ in range(part):
            loop.step()

    def fit() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of small groups
            Tuner(case.backbone, settings).fit(table, case.prepared.pseudo)

    timings = compare({"coop": some_steps, "ours": fit}, case.rounds)
    coop, ours = timings["coop"], timings["ours"]
    steps = loop.steps_per_epoch * EPOCHS
    one = {
        f"CoOp-style step, {BATCH} images": _times(coop, 1 / part),
        f"ours, all {len(train)} training images": _times(ours, 1 / settings.steps),
    }
    whole = {
        f"CoOp-style, {EPOCHS} epochs": _times(coop, steps / part),
        f"ours, {settings.steps} steps from cached features": ours,
    }
    scaled = (
        f"measured on {part} of {steps} steps per round and scaled; ours is whole, with validation after every step, "
        "without the one-off encoding"
    )
    return [
        section("Training step", one, next(iter(one)), note="ours takes all training images in one step"),
        section("Whole training", whole, next(iter(whole)), note=f"CoOp-style {scaled}"),
    ]


def _times(timing: Timing, factor: float) -> Timing:
    return Timing(tuple(factor * seconds for seconds in timing.rounds))
