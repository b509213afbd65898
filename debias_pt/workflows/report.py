"""What a run reports: the fields of ``train`` and ``eval``, and the facts behind them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.datasets.splits import SPLITS
from debias_pt.errors import DebiasWarning
from debias_pt.groups.groups import SMALL_GROUP, Groups, group_name
from debias_pt.groups.metrics import GroupReport
from debias_pt.training.fit_checks import scheduler
from debias_pt.training.selection import RULES
from debias_pt.utils.registry import options_of
from debias_pt.utils.versions import versions
from debias_pt.utils.words import first_of
from debias_pt.workflows.job import Job
from debias_pt.workflows.prepared import Prepared
from debias_pt.workflows.source import data_names


def report(job: Job, predictions: NDArray[np.int64], seeds: Sequence[int], split: str) -> dict[str, Any]:
    """Return the fields of ``train`` and ``eval`` for one split, from predictions ``(R, N)`` on its rows."""
    settings, prepared = job.settings, job.prepared
    scores = scores_of(prepared, prepared.report_groups, predictions, split, seeds)
    used = {
        "training groups": settings.groups == "true",
        "step selection": RULES[str(settings.select)].uses_true_attributes,
    }
    return {
        **data_names(settings, prepared.table.name),
        "synthetic": prepared.synthetic,
        "method": settings.method,
        "parts": job.parts,
        "groups_used": settings.groups,
        "oracle": any(used.values()),
        "attribute_labels_used": [use for use, by_true in used.items() if by_true],
        "model": prepared.backbone.name,
        "split": split,
        **({"seed": seeds[0]} if len(seeds) == 1 else {}),
        "seeds": list(seeds),
        **scores,
        "worst_group": worst_group(scores),
        "small_groups": small_groups(scores),
        "reported_by": reported_by(prepared),
        **by_pseudo_groups(prepared, predictions, seeds, split),
        "probe": job.probe_result,
        "selection": settings.select,
    }


def train_counts(prepared: Prepared) -> NDArray[np.int64]:
    """Return the sizes of the training groups that reports are by, shape ``(G,)``."""
    return prepared.report_groups.rows(prepared.mask("train")).counts


def scores_of(
    prepared: Prepared, groups: Groups, predictions: NDArray[np.int64], split: str, seeds: Sequence[int]
) -> dict[str, Any]:
    """Return accuracies by group of predictions ``(R, N)`` for a split; `groups` are of all rows."""
    train, own = groups.rows(prepared.mask("train")), groups.rows(prepared.mask(split))
    return GroupReport.of(predictions, own, train.counts, seeds).to_dict()


def reported_by(prepared: Prepared) -> list[str]:
    """Return the names of the attributes that the groups of the report are made of."""
    return list(prepared.benchmark or [answer.name for answer in prepared.answers])


def by_pseudo_groups(
    prepared: Prepared, predictions: NDArray[np.int64], seeds: Sequence[int], split: str
) -> dict[str, Any]:
    """Return the scores by the probe's groups, where the report is by other attributes than those asked for."""
    if set(reported_by(prepared)) == {answer.name for answer in prepared.answers}:
        return {}
    scores = scores_of(prepared, prepared.pseudo, predictions, split, seeds)
    names = [answer.name for answer in prepared.answers]
    few = {"worst_group": worst_group(scores), "small_groups": small_groups(scores)}
    return {"by_pseudo_groups": {"attributes": names, "reported_by": names, **scores, **few}}


def worst_group(scores: dict[str, Any]) -> dict[str, Any]:
    """Return which group has the lowest accuracy, the mean over seeds, and how many images."""
    groups = [group for group in scores["groups"] if group["n"]]
    worst = min(groups, key=lambda group: group["accuracy"])
    return {name: worst[name] for name in ("label", "attribute", "n")}


def small_groups(scores: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the groups with so few images, perhaps none, that their accuracy says little."""
    return [
        {name: group[name] for name in ("label", "attribute", "n")}
        for group in scores["groups"]
        if group["n"] < SMALL_GROUP
    ]


def warn_of_report(result: dict[str, Any]) -> None:
    """Warn of small and empty groups, and of a report by other attributes than those that were asked for."""
    if result["small_groups"]:
        named = [f"({group_name(g['label'], g['attribute'])}) {g['n']}" for g in result["small_groups"]]
        warnings.warn(
            f"groups of the {result['split']} split with fewer than {SMALL_GROUP} images: {first_of(named)}; the "
            "worst-group accuracy rests on very few images, and empty groups are not part of it",
            DebiasWarning,
            stacklevel=3,
        )
    if "by_pseudo_groups" in result:
        asked = ", ".join(result["by_pseudo_groups"]["attributes"])
        warnings.warn(
            f"not every attribute asked for ({asked}) is annotated; the report is by what is, "
            f"{', '.join(result['reported_by'])}; accuracies by the probe's own groups stand beneath",
            DebiasWarning,
            stacklevel=3,
        )


def facts(job: Job) -> dict[str, Any]:
    """Return what the run uses: versions, the method's options in full, fingerprints, group counts, wording."""
    settings, prepared, used = job.settings, job.prepared, job.first_groups
    counts = {
        split: dict(zip(used.names, used.rows(prepared.table.split == split).counts.tolist(), strict=True))
        for split in SPLITS
    }
    return {
        "versions": versions(),
        "method": {"name": settings.method, **options_of(scheduler(settings))},
        "parts": job.parts,
        "backbone": prepared.backbone.fingerprint,
        "data": prepared.table.data_fingerprint(),
        "split_rule": dict(prepared.split_rule),
        "skipped_images": len(prepared.stats.skipped),
        "groups": settings.groups,
        "group_counts": counts,
        "attributes": [attribute.describe() for attribute in prepared.attributes],
        "probe": job.probe_result,
    }
