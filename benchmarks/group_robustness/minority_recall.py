"""How well a method finds minorities without labels, that is, how well it replaces the annotation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.groups.groups import Groups
from debias_pt.utils.files import json_number

from .case import Case


def smallest_groups(groups: Groups) -> list[int]:
    """Return each class's smallest non-empty group, where a class has two or more.

    Examples
    --------
    >>> groups = Groups(np.array([0, 0, 0, 1]), np.eye(2)[[0, 0, 1, 1]], ("cat", "dog"), ("in", "out"), "true")
    >>> smallest_groups(groups)
    [1]
    """
    found = []
    for label in range(len(groups.class_names)):
        inside = [g for g in np.flatnonzero(groups.class_of_group == label) if groups.counts[g] > 0]
        if len(inside) > 1:
            found.append(int(min(inside, key=lambda g: groups.counts[g])))
    return found


def in_minority(case: Case, groups: Groups) -> NDArray[np.bool_] | None:
    """Return which training samples `groups` put into the true minority groups, shape ``(1, N_train)``.

    None where the truth is not known, or is of other attributes.
    """
    true, train = case.prepared.true, case.split("train")
    if true is None or true.attribute_names != groups.attribute_names:
        return None
    return np.isin(groups.index[train], smallest_groups(true.rows(train)))[None]


def minority_report(case: Case, flagged: NDArray[np.bool_] | None) -> dict[str, Any] | None:
    """Compare flagged training samples ``(R, N_train)`` with those in the smallest true group of their class.

    Returns
    -------
    dict or None
        Mean ``recall`` and ``precision`` over runs, and ``recall_by_group``'s lowest, ``worst_recall``.
    """
    true, train = case.prepared.true, case.split("train")
    if true is None or flagged is None:
        return None
    groups = true.rows(train)
    smallest = smallest_groups(groups)
    if not smallest:
        return None
    truth = np.isin(groups.index, smallest)
    right = (flagged & truth).sum(axis=1)
    by_group = [flagged[:, groups.index == g].mean() for g in smallest]
    return {
        "recall": float((right / truth.sum()).mean()),
        "worst_recall": float(min(by_group)),
        "precision": json_number((right / np.maximum(flagged.sum(axis=1), 1)).mean()),
    }
