"""Methods beside each other: one encoding, one budget, one selection rule, several seeds."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from debias_pt.datasets import is_synthetic
from debias_pt.jobs.prepare import Prepared, prepare
from debias_pt.jobs.report import report, train_counts
from debias_pt.jobs.train import check_train, fit
from debias_pt.metrics import GroupReport
from debias_pt.settings import TrainSettings
from debias_pt.versions import versions
from debias_pt.zero_shot import TEMPLATE, zero_shot_weights


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Parameters
    ----------
    method : str
        A group reweighting method.
    groups : {"pseudo", "true"}
        The attributes it is fitted with; with true ones the row is an oracle.
    """

    method: str
    groups: str = "pseudo"

    @property
    def name(self) -> str:
        """The row's name, oracles named so."""
        return f"{self.method} (oracle: true groups)" if self.groups == "true" else self.method


ROWS = (
    Row("erm"),
    Row("class-balanced"),
    Row("balanced"),
    Row("group-dro"),
    Row("dpt"),
    Row("balanced", "true"),
    Row("dpt", "true"),
)


def group_robustness(settings: TrainSettings, rows: Sequence[Row] = ROWS) -> dict[str, Any]:
    """Fit every row on the same features and report on the same split.

    Parameters
    ----------
    settings : TrainSettings
        Shared by all rows; ``method`` and ``groups`` are the rows'.
    rows : sequence of Row
        What to fit. Rows with true groups are left out where there are none.

    Returns
    -------
    dict
        ``settings``, ``versions``, ``probe``, and ``rows``: the fields of ``train``, with ``name``.
    """
    chosen = [(row, dataclasses.replace(settings, method=row.method, groups=row.groups)) for row in rows]
    for _, one in chosen:
        check_train(one)
    prepared = prepare(settings)
    results = [zero_shot(settings, prepared)]
    for row, one in chosen:
        if row.groups == "true" and prepared.true is None:
            continue
        tuner = fit(one, prepared, run=None)
        fields = report(one, prepared, tuner, settings.split)
        del fields["probe"]  # the same for all rows
        results.append({"name": row.name, **fields})
    return {
        "suite": "group-robustness",
        "synthetic": is_synthetic(settings.dataset),
        "settings": dataclasses.asdict(settings),
        "versions": versions(),
        "model": prepared.backbone.name,
        "backbone": prepared.backbone.fingerprint,
        "probe": prepared.probe_result("train"),
        "rows": results,
    }


def zero_shot(settings: TrainSettings, prepared: Prepared) -> dict[str, Any]:
    """Return the row of the frozen model."""
    table, groups = prepared.table.where(settings.split), prepared.yardstick.rows(prepared.rows(settings.split))
    weights = zero_shot_weights(prepared.backbone, table.class_names).cpu().numpy()
    predictions = (table.features @ weights.T).argmax(axis=1)[None]
    scores = GroupReport.of(predictions, groups, train_counts(prepared), seeds=(0,))
    return {"name": f"zero-shot ({TEMPLATE!r})", "oracle": False, "attribute_labels_used": [], **scores.to_dict()}
