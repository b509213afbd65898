"""``debias-pt tune``: from settings to the settings that do best on validation rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from debias_pt.errors import UsageError
from debias_pt.groups.groups import Groups
from debias_pt.methods.composition import method_of
from debias_pt.settings import TrainSettings, require_choice
from debias_pt.training.search import OBJECTIVES, Search, search_settings
from debias_pt.training.search_space import default_space, parse_space
from debias_pt.training.selection import RULES
from debias_pt.utils.files import require_writable, write_json
from debias_pt.workflows.discovery.auto_attribute import with_found_attribute
from debias_pt.workflows.job import first_groups
from debias_pt.workflows.prepare import prepare
from debias_pt.workflows.prepared import Prepared
from debias_pt.workflows.run_folder import new_path
from debias_pt.workflows.train import check_train, portable

STORAGE, BEST, RESULT = "trials.journal", "best.json", "result.json"


def tune(
    settings: TrainSettings,
    *,
    trials: int = 20,
    objective: str = "pseudo-confidence",
    space: Sequence[str] = (),
    engine: str | None = None,
) -> dict[str, Any]:
    """Search over settings of ``train`` in a folder; images are encoded once, test rows are never looked at.

    Parameters
    ----------
    settings : TrainSettings
        Where the search begins. A folder ``out`` that holds a search of the same kind is continued.
    trials : int
        How many fits in all.
    objective : str
        Of ``OBJECTIVES``; ``"true-wga"`` is an oracle.
    space : sequence of str
        What to search over; default the method's, see :func:`~debias_pt.training.search_space.default_space`.
    engine : str, optional
        ``ray`` or ``ray:ADDRESS``: trials are tasks of a cluster.

    Returns
    -------
    dict
        The result, as in the folder's ``result.json``.

    Raises
    ------
    DebiasError
        One line: what was wrong, the value seen, what to do.
    """
    require_choice("objective", objective, OBJECTIVES)
    if trials < 1:
        raise UsageError(f"trials is {trials}; give 1 or more")
    if method_of(settings).choose is not None:
        raise UsageError(
            f"method is {settings.method!r}, which chooses by itself; name the one whose settings to search"
        )
    settings = check_train(settings)
    chosen = parse_space(space) or default_space(settings)
    settings, _ = with_found_attribute(settings)
    prepared = prepare(settings)
    folder = Path(settings.out) if settings.out else new_path(settings.dataset, f"tune-{settings.method}")
    config = portable(settings)
    require_writable(folder / RESULT, "--out")
    folder.mkdir(parents=True, exist_ok=True)
    found = search_settings(
        prepared.backbone,
        prepared.table,
        first_groups(settings, prepared),
        settings,
        space=chosen,
        trials=trials,
        objective=objective,
        validation_groups=_judged_by(prepared, objective),
        storage=folder / STORAGE,
        identity={"dataset": config["dataset"], "backbone": prepared.backbone.fingerprint},
        engine=engine,
    )
    write_json(folder / BEST, {**config, **found.changed})
    result = _result(settings, prepared, found, folder)
    write_json(folder / RESULT, result)
    return result


def _judged_by(prepared: Prepared, objective: str) -> Groups | None:
    """Return the groups of the objective; None where they are to be inferred."""
    if RULES[objective].uses_true_attributes:
        return prepared.require_true(f"--objective {objective}")
    return prepared.pseudo if prepared.answers else None


def _result(settings: TrainSettings, prepared: Prepared, found: Search, folder: Path) -> dict[str, Any]:
    oracle = found.oracle or settings.groups == "true"
    return {
        "dataset": prepared.table.name,
        "synthetic": prepared.synthetic,
        "method": settings.method,
        "model": prepared.backbone.name,
        "objective": found.objective,
        "oracle": oracle,
        "attribute_labels_used": "validation" if found.oracle else "train" if oracle else "none",
        "split": "val",
        "seeds": settings.seeds,
        "score": found.score,
        "default_score": found.default_score,
        "best": found.changed,
        "trials": found.trials,
        "folder": str(folder),
        "config": str(folder / BEST),
        "settings": {k: v for k, v in dataclasses.asdict(found.settings).items() if k in found.changed},
    }
