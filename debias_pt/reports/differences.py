"""Paired differences of two runs on the same images."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.errors import UsageError
from debias_pt.groups.paired import Difference, average_difference, worst_group_difference
from debias_pt.reports.evidence import Answers, RunEvidence
from debias_pt.utils.fingerprint import require_match

Bools = NDArray[np.bool_]


def require_same_images(first: RunEvidence, other: RunEvidence) -> None:
    """Refuse runs that were not judged on the same images in the same groups.

    Raises
    ------
    FingerprintError
        Names the first difference.
    """
    advice = "compare runs of one data set, split and attribute"
    one, two = _judged(first), _judged(other)
    require_match(two, one, f"{other.run.path} beside {first.run.path}", advice)


def _judged(evidence: RunEvidence) -> dict[str, Any]:
    result = evidence.result
    groups = [(group["label"], group["attribute"]) for group in result["groups"]]
    data = {"data": evidence.run.facts["data"], "split": result["split"]}
    return {**data, "reported by": result["reported_by"], "groups from": result["groups_from"], "groups": groups}


def difference(first: RunEvidence, other: RunEvidence) -> dict[str, Any] | None:
    """Return how much more accurate another run is than the first, with 95 % intervals.

    Returns
    -------
    dict or None
        ``seeds``: those of the first run that are compared; ``worst_group_accuracy``, ``average_accuracy`` and
        ``groups`` (with label, attribute and n): the accuracy of both, difference and ci; ``images``: how many only the
        one or the other has right, by the mean probability of its seeds. None where the answers of one are not known.
    """
    if first.answers is None or other.answers is None:
        return None
    one, two = first.answers, other.answers
    if one.ids != two.ids or not np.array_equal(one.groups.index, two.groups.index):
        raise UsageError(
            f"{other.run.path} and {first.run.path} put images into different groups, as their probes answer "
            "differently; compare runs with one --probe"
        )
    a, b, seeds = paired_rows(first, other)
    index = one.groups.index
    worst = [float(np.mean([min(row[index == g].mean() for g in np.unique(index)) for row in rows])) for rows in (a, b)]
    average = [float(rows.mean()) for rows in (a, b)]
    return {
        "seeds": seeds,
        "worst_group_accuracy": _shown(worst, worst_group_difference(b, a, index)),
        "average_accuracy": _shown(average, average_difference(b, a)),
        "groups": [_group(one, a, b, int(g)) for g in np.unique(index)],
        "images": {
            "both_right": int((one.right & two.right).sum()),
            "only_first": int((one.right & ~two.right).sum()),
            "only_other": int((~one.right & two.right).sum()),
            "both_wrong": int((~one.right & ~two.right).sum()),
        },
    }


def _group(answers: Answers, a: Bools, b: Bools, g: int) -> dict[str, Any]:
    own = answers.groups.index == g
    label, value = answers.groups.labels[g]
    found = average_difference(b[:, own], a[:, own])
    accuracy = [float(rows[:, own].mean()) for rows in (a, b)]
    return {"label": label, "attribute": value or None, "n": int(own.sum()), **_shown(accuracy, found)}


def _shown(accuracy: list[float], found: Difference) -> dict[str, Any]:
    return {"accuracy": accuracy, "difference": found.mean, "ci": list(found.interval)}


def _right(evidence: RunEvidence) -> Bools:
    assert evidence.answers is not None
    return np.asarray(evidence.answers.predictions == evidence.answers.groups.y, dtype=np.bool_)


def paired_rows(first: RunEvidence, other: RunEvidence) -> tuple[Bools, Bools, list[int]]:
    """Return whether each run is right about each image, row by row of the same seed; and the seeds.

    With different numbers of seeds, those that both have.

    Raises
    ------
    UsageError
        If they have different numbers and none in common.
    """
    a, b = (_right(one) for one in (first, other))
    seeds, others = first.result["seeds"], other.result["seeds"]
    if len(a) == len(b):
        return a, b, seeds
    common = [seed for seed in seeds if seed in others]
    if not common:
        raise UsageError(
            f"{first.run.path} has the seeds {seeds}, {other.run.path} {others}; differences are paired by seed: "
            "train both with the same --seed and --seeds"
        )
    return a[[seeds.index(seed) for seed in common]], b[[others.index(seed) for seed in common]], common
