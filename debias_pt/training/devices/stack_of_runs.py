"""The one training of a stack of runs, on as many devices as pay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from debias_pt.training.devices.split_pass import SplitPass, splits
from debias_pt.training.loop import Training
from debias_pt.training.run_group import RunGroup

if TYPE_CHECKING:
    from debias_pt.models.backbone import Backbone
    from debias_pt.models.heads import Head
    from debias_pt.training.tuner import PromptTuner


def training_of(tuner: PromptTuner, run_groups: Sequence[RunGroup]) -> Training:
    """Return the training of run groups before its first step, with the head that a tuner describes."""
    names, seeds = tuner.class_names_, [seed for run_group in run_groups for seed in run_group.seeds]
    head = tuner.make_head(names, seeds)
    if not splits(tuner.backbone, head, len(seeds), len(names)):
        return Training(head, run_groups)

    def make(backbone: Backbone, some: Sequence[int]) -> Head:
        return tuner.make_head(names, some, backbone)

    return Training(head, run_groups, SplitPass(head, tuner.backbone, make, seeds))
