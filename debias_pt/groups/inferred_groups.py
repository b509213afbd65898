"""Splitting groups by what the images themselves suggest, with no attribute in words."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from debias_pt.errors import DebiasWarning
from debias_pt.features.table import FeatureTable
from debias_pt.groups.groups import INFERRED, Groups
from debias_pt.groups.refinement.inferred import infer
from debias_pt.groups.refinement.mixture import RefinementError
from debias_pt.utils.memory import require_free

DOUBLE_COPIES = 4  # of the features in double precision: themselves, a fold, its standardised rows, the mixture's


def infer_groups(
    table: FeatureTable, groups: Groups | None = None, *, splits: Sequence[str] = ("train",)
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
        The rows to fit on. All others get equal shares, which change no weight if groups are soft.

    Returns
    -------
    groups : Groups
    facts : dict
        Plain JSON: ``used``; ``reason`` if the data do not support it, and groups stay as they are; else what
        ``infer`` tells, and ``classes``.

    Examples
    --------
    >>> groups, facts = infer_groups(table, splits=("train", "val"))          # doctest: +SKIP
    >>> groups.names[1]                                                       # doctest: +SKIP
    'landbird, like waterbird'
    >>> Tuner(backbone, method="inferred").fit(table, groups)            # doctest: +SKIP
    """
    groups = Groups.by_class(table.y, table.class_names) if groups is None else groups
    rows = np.isin(table.split, list(splits))
    n, dim = int(rows.sum()), table.features.shape[1]
    advice = "take --method dpt or class-balanced, which read minibatches, or fit on fewer rows"
    require_free(DOUBLE_COPIES * 8 * n * dim, f"inferring groups from {n:,} rows of {dim} features", advice)
    try:
        found = infer(table.features[rows], table.y[rows], len(table.class_names))
    except RefinementError as error:
        warnings.warn(f"no groups are inferred from the images: {error}", DebiasWarning, stacklevel=2)
        return groups, {"used": False, "reason": str(error)}
    classes = len(table.class_names)
    posterior = np.full((len(table), classes), 1 / classes)
    posterior[rows] = found.posterior
    values = tuple(f"like {name}" for name in table.class_names)
    return groups.split_by(values, posterior, INFERRED), {
        "used": True,
        "classes": list(table.class_names),
        **found.facts,
    }


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
    return f"groups inferred from the images: {listed} look like another class to a biased head"
