"""What a run tells: the fields of ``train`` and ``eval``, and the facts it rests on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.datasets.splits import SPLITS
from debias_pt.settings import TrainSettings
from debias_pt.training.selection import RULES
from debias_pt.training.tuner import PromptTuner, scheduler
from debias_pt.utils.registry import options_of
from debias_pt.utils.versions import versions
from debias_pt.workflows.probed_data import ProbedData


def report(settings: TrainSettings, prepared: ProbedData, tuner: PromptTuner, split: str) -> dict[str, Any]:
    """Return the fields of ``train`` and ``eval`` for one split."""
    rows = prepared.rows(split)
    seeds = list(tuner.seeds)
    scores = tuner.score(prepared.table.where(split), prepared.report_groups.rows(rows), train_counts(prepared))
    used = {
        "training groups": settings.groups == "true",
        "step selection": RULES[settings.select].uses_true_attributes,
    }
    return {
        "dataset": settings.dataset,
        "synthetic": prepared.synthetic,
        "method": settings.method,
        "groups_used": settings.groups,
        "oracle": any(used.values()),
        "attribute_labels_used": [use for use, by_true in used.items() if by_true],
        "model": prepared.backbone.name,
        "split": split,
        **({"seed": seeds[0]} if len(seeds) == 1 else {}),
        "seeds": seeds,
        **scores.to_dict(),
        "probe": probe_result(settings, prepared),
        "selection": settings.select,
    }


def probe_result(settings: TrainSettings, prepared: ProbedData) -> dict[str, Any]:
    """Return the probe's result on the training images, with the guard's verdict if the method rests on it.

    Where the guard chose the method, its verdict is there in any case.
    """
    result = prepared.probe_result("train")
    if prepared.judged or (scheduler(settings).uses_attributes and settings.groups == "pseudo"):
        result["guard"] = prepared.guard_result
    return result


def train_counts(prepared: ProbedData) -> NDArray[np.int64]:
    """Return the sizes of the training groups that reports are by, shape ``(G,)``."""
    return prepared.report_groups.rows(prepared.rows("train")).counts


def facts(settings: TrainSettings, prepared: ProbedData) -> dict[str, Any]:
    """Return what the run uses: versions, the method's options in full, fingerprints, group counts, wording."""
    used = prepared.require_true("--groups true") if settings.groups == "true" else prepared.pseudo
    counts = {
        split: dict(zip(used.names, used.rows(prepared.table.split == split).counts.tolist(), strict=True))
        for split in SPLITS
    }
    return {
        "versions": versions(),
        "method": {"name": settings.method, **options_of(scheduler(settings))},
        "backbone": prepared.backbone.fingerprint,
        "data": prepared.table.data_fingerprint(),
        "split_rule": dict(prepared.split_rule),
        "skipped_images": len(prepared.stats.skipped),
        "groups": settings.groups,
        "group_counts": counts,
        "attributes": [attribute.describe() for attribute in prepared.attributes],
        "probe": probe_result(settings, prepared),
    }
