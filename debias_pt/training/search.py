"""Search over the settings of a fit, by Optuna, judged on validation rows."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from debias_pt.errors import DebiasError, NonFiniteError, UsageError
from debias_pt.features.table import FeatureTable
from debias_pt.groups.groups import Groups
from debias_pt.groups.inferred_groups import infer_groups
from debias_pt.methods.composition import complete
from debias_pt.models.backbone import Backbone
from debias_pt.settings import FitSettings, require_choice
from debias_pt.training.search_space import SearchSpace, default_space
from debias_pt.training.selection import RULES
from debias_pt.training.tuner import Tuner
from debias_pt.utils.fingerprint import require_match

OBJECTIVES = tuple(name for name in RULES if name != "last")


@dataclass(frozen=True)
class Search:
    """What a search found.

    Parameters
    ----------
    settings : FitSettings
        The best settings seen; the given ones if none was better.
    score : float
        Their objective on validation rows, mean over seeds.
    default_score : float
        The objective of the settings that the search began with.
    changed : dict
        The settings that were searched over, with their best values.
    trials : list of dict
        Every finished trial: ``number``, ``settings`` and ``score`` (None if the fit diverged).
    objective : str
        A name in `OBJECTIVES`.
    oracle : bool
        Whether the objective reads annotated attributes.
    """

    settings: FitSettings
    score: float
    default_score: float
    changed: dict[str, Any]
    trials: list[dict[str, Any]]
    objective: str
    oracle: bool


def search_settings(
    backbone: Backbone,
    table: FeatureTable,
    groups: Groups | None = None,
    settings: FitSettings | None = None,
    *,
    space: SearchSpace | None = None,
    trials: int = 20,
    objective: str = "pseudo-confidence",
    validation_groups: Groups | None = None,
    storage: str | Path | None = None,
    identity: Mapping[str, Any] | None = None,
    engine: str | None = None,
) -> Search:
    """Fit many times with other settings, and return the settings that do best on validation rows.

    Every trial is fitted on ``train`` rows and judged on ``val`` rows; ``test`` rows are never looked at. The first
    trial has the given settings, so that what is returned is never worse by the objective. Needs Optuna
    (``pip install 'debias-pt[tune]'``), whose tree-structured Parzen estimator chooses (Bergstra et al., 2011).

    Parameters
    ----------
    backbone : Backbone
    table : FeatureTable
        With ``train`` and ``val`` rows.
    groups : Groups, optional
        Of all rows, to fit with, as in `Tuner.fit`.
    settings : FitSettings, optional
        Where the search begins; what it does not search over stays as it is.
    space : dict, optional
        For each setting a list of values, or ``(lowest, highest)``, or ``(lowest, highest, "log")``; default that of
        the method, see `default_space`.
    trials : int
        How many fits in all, those in the storage included.
    objective : {"pseudo-confidence", "pseudo-wga", "average-accuracy", "true-wga"}
        What to maximise. All but ``"true-wga"``, an oracle, read no attribute label.
    validation_groups : Groups, optional
        Of all rows, for the objective. Default `groups`, or groups inferred from images and class labels.
    storage : path, optional
        File that keeps every trial; a search with the same file continues.
    identity : mapping, optional
        What a continued search must agree in, besides settings, space and objective.
    engine : str, optional
        ``ray`` or ``ray:ADDRESS``: each trial is a task of the cluster, as many at once as it has cores (or GPUs, for a
        model on one). What is tried then depends on which trials end first; the same settings have the same score.

    Returns
    -------
    Search

    Raises
    ------
    UsageError
        If Optuna is missing, there is nothing to search over, or no validation row; or for groups of another kind
        than the objective needs.
    FingerprintError
        If the storage belongs to another search.
    DebiasError
        If no trial could be fitted.

    Examples
    --------
    >>> found = search_settings(backbone, table, groups, trials=20)                   # doctest: +SKIP
    >>> Tuner(backbone, found.settings).fit(table, groups)                      # doctest: +SKIP
    """
    optuna = _optuna()
    require_choice("objective", objective, OBJECTIVES)
    begin = complete(replace(settings or FitSettings(), fit_on="train"))
    chosen = default_space(begin) if space is None else space
    judge = _Judge(table, validation_groups or groups or _inferred(table), objective)
    known = {**(identity or {}), "objective": objective, "space": str(sorted(chosen.items())), "settings": str(begin)}
    with _quiet(optuna):
        study = _study(optuna, storage, begin.seed, known, at_once=engine is not None)
        lost = (optuna.trial.TrialState.RUNNING, optuna.trial.TrialState.FAIL)  # with the process that had it
        if not any(trial.user_attrs.get("default") and trial.state not in lost for trial in study.trials):
            study.enqueue_trial({}, user_attrs={"default": True})
        asked: list[Any] = []

        def settings_to_try() -> Iterator[tuple[dict[str, Any]]]:
            for _ in range(max(0, trials - len(_finished(study)))):
                trial = study.ask()
                asked.append(trial)
                given = {} if trial.user_attrs.get("default") else _suggested(trial, chosen)
                trial.set_user_attr("settings", given)
                yield (given,)

        for number, score in _scores(_Trial(backbone, begin, table, groups, judge), settings_to_try(), engine):
            pruned = optuna.trial.TrialState.PRUNED if score is None else None
            study.tell(asked[number], score, state=pruned)
    return _search(study, begin, settings or FitSettings(), objective)


@dataclass(frozen=True)
class _Trial:
    """One fit with other settings, and its score; None if it diverged."""

    backbone: Backbone
    begin: FitSettings
    table: FeatureTable
    groups: Groups | None
    judge: _Judge

    def __call__(self, given: dict[str, Any]) -> float | None:
        try:
            return self.judge(Tuner(self.backbone, self.begin, **given).fit(self.table, self.groups))
        except NonFiniteError:
            return None


def _scores(
    trial: _Trial, calls: Iterable[tuple[dict[str, Any]]], engine: str | None
) -> Iterator[tuple[int, float | None]]:
    """Yield the numbers of trials with their scores; the next settings are asked for when a score is known."""
    if engine is None:
        return enumerate(trial(*call) for call in calls)
    from debias_pt.cluster.tasks import remote_calls

    return remote_calls(engine, trial, calls, gpu=trial.backbone.device.type == "cuda")


class _Judge:
    """The objective: a selection rule on validation rows, mean over seeds."""

    def __init__(self, table: FeatureTable, groups: Groups, objective: str) -> None:
        self.rule = RULES[objective]
        if self.rule.uses_true_attributes != (groups.source == "true") and objective != "average-accuracy":
            wanted = "true" if self.rule.uses_true_attributes else "pseudo"
            raise UsageError(f"objective {objective} was given {groups.source} groups; give {wanted} ones")
        rows = table.split == "val"
        if not rows.any():
            raise UsageError(f"{table.name} has no 'val' rows to judge settings on; give it some, --val-share 0.15")
        index = torch.from_numpy(groups.index[rows])
        self.features, self.y = table.features[rows], torch.from_numpy(table.y[rows])
        self.membership = torch.eye(len(groups.names))[index]

    def __call__(self, tuner: Tuner) -> float:
        logits = torch.from_numpy(tuner.logits(self.features)).float()
        return float(self.rule.score(0, logits, self.y, self.membership).mean())


def _inferred(table: FeatureTable) -> Groups:
    return infer_groups(table, splits=("train", "val"))[0]


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        advice = "pip install 'debias-pt[tune]'"
        raise UsageError(f"a search over settings needs Optuna, which is not installed: {advice}") from error
    return optuna


@contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    """Keep Optuna from logging every trial and from announcing what is experimental there."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


def _study(optuna: Any, storage: str | Path | None, seed: int, known: dict[str, Any], *, at_once: bool) -> Any:
    """Open a study, in a journal of JSON lines if there is a file."""
    kept = None
    if storage is not None:
        from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

        lock = JournalFileOpenLock(str(storage))
        kept = optuna.storages.JournalStorage(JournalFileBackend(str(storage), lock_obj=lock))
    study = optuna.create_study(storage=kept, study_name="settings", direction="maximize", load_if_exists=True)
    # A continued search draws anew. Of trials at once, each keeps away from those whose score is not known.
    study.sampler = optuna.samplers.TPESampler(seed=seed + len(study.trials), constant_liar=at_once)
    if "identity" in study.user_attrs:
        advice = "continue with the same data and settings, or give another --out"
        require_match(study.user_attrs["identity"], known, str(storage), advice)
    else:
        study.set_user_attr("identity", known)
    return study


def _suggested(trial: Any, space: SearchSpace) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name, values in space.items():
        if isinstance(values, list):
            given[name] = trial.suggest_categorical(name, values)
        else:
            low, high, log = values[0], values[1], len(values) > 2
            suggest = trial.suggest_int if isinstance(low, int) and isinstance(high, int) else trial.suggest_float
            given[name] = suggest(name, low, high, log=log)
    return given


def _finished(study: Any) -> list[Any]:
    return [trial for trial in study.trials if trial.state.is_finished()]


def _search(study: Any, begin: FitSettings, given: FitSettings, objective: str) -> Search:
    rows = [
        {"number": trial.number, "settings": trial.user_attrs.get("settings", {}), "score": trial.value}
        for trial in _finished(study)
    ]
    scored = [row for row in rows if row["score"] is not None]
    if not scored:
        raise DebiasError(
            f"none of {len(rows)} trials could be fitted: every one diverged; give a smaller lr to begin with"
        )
    best = max(scored, key=lambda row: row["score"])
    first = next((row["score"] for row in scored if not row["settings"]), float("nan"))
    settings = replace(begin, **best["settings"], fit_on=complete(given).fit_on)
    oracle = RULES[objective].uses_true_attributes
    return Search(settings, best["score"], first, best["settings"], rows, objective, oracle)
