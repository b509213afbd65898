"""``debias-pt compare``: how two runs differ, group by group."""

from __future__ import annotations

from typing import Any

from debias_pt.errors import RunError
from debias_pt.reports.build import collect_all
from debias_pt.reports.differences import difference
from debias_pt.reports.evidence import RunEvidence
from debias_pt.reports.methods import run_names
from debias_pt.workflows.run_folder import find_run


def compare_runs(path: str, other: str, *, split: str = "test", **moved: Any) -> dict[str, Any]:
    """Compare two finished runs on the same images and seeds.

    Parameters
    ----------
    path, other : str
        Run folders.
    split : str
        ``"train"``, ``"val"`` or ``"test"``.
    **moved
        Where data and model are now, if they have moved.

    Returns
    -------
    dict
        Data, split and groups; ``runs``; and what :func:`~debias_pt.reports.differences.difference`
        returns, each difference being the second run's less the first's.

    Raises
    ------
    DebiasError
        If a run is not finished, its data or model is gone, or the two are not of the same images.
    """
    evidence = collect_all([find_run(path), find_run(other)], split, **moved)
    found = difference(*evidence)
    if found is None:
        gone = next(one for one in evidence if one.answers is None)
        raise RunError(f"{gone.run.path}: its data or model is not there any more; give --data-root or --pretrained")
    result = evidence[0].result
    names = ("dataset", "synthetic", "split", "groups_from", "reported_by")
    return {
        **{name: result[name] for name in names},
        "interval": f"95 %, paired over images{' and seeds' if len(found['seeds']) > 1 else ''}",
        "runs": [_run(name, one) for name, one in zip(run_names(evidence), evidence, strict=True)],
        **found,
    }


def _run(name: str, evidence: RunEvidence) -> dict[str, Any]:
    fields = ("method", "oracle", "model", "seeds", "worst_group_accuracy", "average_accuracy")
    return {"run": str(evidence.run.path), "name": name, **{field: evidence.result[field] for field in fields}}
