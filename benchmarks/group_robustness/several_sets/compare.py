"""Fit the rows on several data sets, each with its own settings, and compare them over all."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from debias_pt.errors import UsageError
from debias_pt.settings import DataSettings, TrainSettings, resolve
from debias_pt.utils.files import read_json
from debias_pt.utils.registry import nearest
from debias_pt.utils.stores.addresses import is_remote
from debias_pt.workflows.job import check_settings
from debias_pt.workflows.prepare import read_dataset

from ..rows import BASELINE, choose
from ..suite import group_robustness
from ..without_model import to_prepare

FIELD = "worst_group_accuracy"


def settings_of(name: str, given: Mapping[str, Any]) -> TrainSettings:
    """Return the settings for one data set: its own from a file, then those `given` for all.

    Parameters
    ----------
    name : str
        A data set's name or path; or a JSON file with ``dataset`` and whatever else is to be known of it, named as
        the settings are (``attribute_column``, ``attribute``, ``words``, ...). Paths start from its folder.
    given : mapping
        What holds for all data sets; wins over the file.

    Raises
    ------
    UsageError
        If the file cannot be read, names no data set, or holds what is no setting of a data set.
    """
    own = _from_file(Path(name)) if name.lower().endswith(".json") else {"dataset": name}
    return resolve(TrainSettings, own, given)


def _from_file(path: Path) -> dict[str, Any]:
    own = read_json(path)
    if not isinstance(own, dict) or not isinstance(own.get("dataset"), str):
        raise UsageError(f'{path}: names no data set; a data set\'s file looks like {{"dataset": "photos.csv", ...}}')
    known = DataSettings.__dataclass_fields__
    foreign = [key for key in own if key not in known]
    if foreign:
        raise UsageError(f"{path}: {foreign[0]!r} is no setting of a data set{nearest(foreign[0], known)}")
    for key in ("dataset", "image_root", "data_root", "words"):
        if own.get(key) and not is_remote(own[key]) and (key != "dataset" or (path.parent / own[key]).exists()):
            own[key] = str(path.parent / own[key])
    resolve(DataSettings, own)  # types, before anything slow begins
    return own


def short_names(names: Sequence[str]) -> list[str]:
    """Return what data sets are called in the table: the file's name without its ending, or all where two are alike.

    Examples
    --------
    >>> short_names(["waterbirds", "sets/gulls-5.json", "mine/style.csv", "yours/style.csv"])
    ['waterbirds', 'gulls-5', 'mine/style.csv', 'yours/style.csv']
    """
    short = [Path(name).stem if Path(name).suffix else name for name in names]
    return [name if short.count(one) > 1 else one for name, one in zip(names, short, strict=True)]


def group_robustness_on(
    sets: Mapping[str, TrainSettings], names: Sequence[str] = (), *, fresh: bool = False
) -> dict[str, Any]:
    """Fit the rows on every data set and compare them over all.

    Parameters
    ----------
    sets : mapping of str to TrainSettings
        Settings of each data set, by the name to show.
    names, fresh
        As of :func:`~debias_pt.benchmarks.group_robustness.suite.group_robustness`.

    Returns
    -------
    dict
        ``sets``: each data set's own result under ``set``; ``rows``: see :func:`over_all`.

    Raises
    ------
    UsageError
        For whatever is wrong with any of the data sets, before the first is fitted.
    """
    choose(names)
    for settings in sets.values():
        check_settings(settings)
        read_dataset(to_prepare(settings))
    results = [{"set": name, **group_robustness(settings, names, fresh=fresh)} for name, settings in sets.items()]
    return {
        "suite": "group-robustness",
        "several": True,
        "baseline": BASELINE,
        "seeds": dataclasses.asdict(next(iter(sets.values())))["seeds"],
        "rows": over_all(results),
        "stored_rows": sum(result["stored_rows"] for result in results),
        "sets": results,
    }


def over_all(results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Compare rows over data sets.

    Returns
    -------
    list of dict
        For each row ``worst_group_accuracy`` by set (None where the set lacks the row) and its ``mean``; ``regret`` by
        set, to the best row there that saw no attribute label and was fitted on training images (a validation split
        that somebody balanced over the attribute is worth labels), with ``worst_regret`` and the set it is on;
        ``below_baseline``, the sets where it is below class balance, and ``surely_below_baseline``, those of them
        where the paired interval excludes 0. Mean and worst regret are None unless the row is in all sets.
    """
    tables = {result["set"]: {row["row"]: row for row in result["rows"]} for result in results}
    best = {
        name: max((row[FIELD] for row in table.values() if _reference(row)), default=None)
        for name, table in tables.items()
    }
    first = {row["row"]: row for table in tables.values() for row in table.values()}
    return [_one_row(row, tables, best) for row in first.values()]


def _reference(row: Mapping[str, Any]) -> bool:
    return not row["oracle"] and row["fitted_on"] == "train"


def _one_row(
    row: Mapping[str, Any], tables: Mapping[str, Mapping[str, Mapping[str, Any]]], best: Mapping[str, float | None]
) -> dict[str, Any]:
    here = {name: table.get(row["row"]) for name, table in tables.items()}
    worst = {name: None if one is None else one[FIELD] for name, one in here.items()}
    regret = {}
    for name, value in worst.items():
        reference = best[name]
        if value is not None and reference is not None:
            regret[name] = reference - value
    gains = {name: one["versus"][FIELD] for name, one in here.items() if one is not None and one["versus"]}
    everywhere = len(regret) == len(tables)
    most = max(regret, key=lambda name: regret[name]) if everywhere else None
    return {
        **{name: row[name] for name in ("row", "name", "labels_used", "oracle", "fitted_on")},
        FIELD: worst,
        "mean": sum(value for value in worst.values() if value is not None) / len(worst) if everywhere else None,
        "regret": regret,
        "worst_regret": regret[most] if most else None,
        "worst_regret_on": most,
        "compared_with_baseline": list(gains),
        "below_baseline": [name for name, gain in gains.items() if gain["mean"] < 0],
        "surely_below_baseline": [name for name, gain in gains.items() if gain["ci"][1] < 0],
    }
