"""Splitting groups by what the images themselves suggest, with no attribute in words."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.errors import DebiasWarning
from debias_pt.features.table import FeatureTable
from debias_pt.groups.groups import INFERRED, Groups
from debias_pt.groups.inferred_verdict import judge_inferred
from debias_pt.groups.refinement.inferred import infer
from debias_pt.groups.refinement.mixture import RefinementError
from debias_pt.groups.verdict import Verdict
from debias_pt.utils.memory import require_free

DOUBLE_COPIES = 4  # of the features in double precision: themselves, a fold, its standardised rows, the mixture's


@dataclass(frozen=True)
class Inferred:
    """What the images themselves suggest.

    Parameters
    ----------
    posterior : ndarray, shape (N, K), or None
        Of the class that each row looks like; rows that were not fitted have equal shares, which change no weight if
        groups are soft. None if the data do not support it.
    facts : dict
        Plain JSON: ``used``; ``reason`` if not; else what :func:`~debias_pt.groups.refinement.inferred.infer` tells,
        ``classes``, and the ``verdict``.
    verdict : Verdict or None
        Whether to build groups on it.
    """

    posterior: NDArray[np.float64] | None
    facts: dict[str, Any]
    verdict: Verdict | None = None


def infer_values(table: FeatureTable, splits: Sequence[str] = ("train",)) -> Inferred:
    """Find out which class the images of some splits look like to a biased head, and judge the answer.

    Parameters
    ----------
    table : FeatureTable
        All N rows.
    splits : sequence of str
        The rows to fit on.
    """
    rows = np.isin(table.split, list(splits))
    n, dim, classes = int(rows.sum()), table.features.shape[1], len(table.class_names)
    advice = "take --method dpt or class-balanced, which read minibatches, or fit on fewer rows"
    require_free(DOUBLE_COPIES * 8 * n * dim, f"inferring groups from {n:,} rows of {dim} features", advice)
    x, y = table.features[rows], table.y[rows]
    try:
        found = infer(x, y, classes)
    except RefinementError as error:
        return Inferred(None, {"used": False, "reason": str(error)})
    verdict = judge_inferred(x, y, found.posterior, table.split[rows] == "val")
    posterior = np.full((len(table), classes), 1 / classes)
    posterior[rows] = found.posterior
    facts = {"used": True, "classes": list(table.class_names), **found.facts, "verdict": verdict.to_dict()}
    return Inferred(posterior, facts, verdict)


def infer_groups(
    table: FeatureTable,
    groups: Groups | None = None,
    *,
    splits: Sequence[str] = ("train",),
    found: Inferred | None = None,
) -> tuple[Groups, dict[str, Any]]:
    """Split every group by the class that its images look like to a biased head.

    See :func:`~debias_pt.groups.refinement.inferred.infer`. Only class labels are used.

    Parameters
    ----------
    table : FeatureTable
        All N rows.
    groups : Groups, optional
        Of all rows, to be split further; default the classes.
    splits : sequence of str
        The rows to fit on.
    found : Inferred, optional
        What :func:`infer_values` gave for these rows, if it was asked already.

    Returns
    -------
    groups : Groups
    facts : dict
        See :class:`Inferred`. Groups stay as they are where the data do not support any.

    Examples
    --------
    >>> groups, facts = infer_groups(table, splits=("train", "val"))          # doctest: +SKIP
    >>> groups.names[1], facts["verdict"]["verdict"]                          # doctest: +SKIP
    ('landbird, like waterbird', 'usable')
    >>> Tuner(backbone, method="inferred").fit(table, groups)            # doctest: +SKIP
    """
    groups = Groups.by_class(table.y, table.class_names) if groups is None else groups
    found = infer_values(table, splits) if found is None else found
    if found.posterior is None:
        message = f"no groups are inferred from the images: {found.facts['reason']}"
        warnings.warn(message, DebiasWarning, stacklevel=2)
        return groups, found.facts
    values = tuple(f"like {name}" for name in table.class_names)
    return groups.split_by(values, found.posterior, INFERRED), found.facts


def inferred_text(facts: dict[str, Any]) -> str:
    """Say how the images themselves split the groups.

    Examples
    --------
    >>> inferred_text({"used": True, "classes": ["cat", "dog"], "expected": [[90.2, 9.8], [0.0, 50.0]]})
    'groups inferred from the images: 10 of 100 of cat and 0 of 50 of dog look like another class to a biased head'
    """
    if not facts["used"]:
        return f"no groups are inferred from the images: {facts['reason']}"
    rows = zip(facts["classes"], facts["expected"], strict=True)
    others = [f"{sum(row) - row[k]:.0f} of {sum(row):.0f} of {name}" for k, (name, row) in enumerate(rows)]
    listed = " and ".join(filter(None, (", ".join(others[:-1]), others[-1])))
    text = f"groups inferred from the images: {listed} look like another class to a biased head"
    verdict = facts.get("verdict")  # runs of earlier versions have none
    if verdict is None:
        return text
    why = f" ({'; '.join(verdict['reasons'])}); {verdict['advice']}" if verdict["reasons"] else ""
    return f"{text}; {verdict['verdict']}{why}"
