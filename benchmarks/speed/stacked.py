"""Many runs at once compared with the same runs one by one: seeds of one method, and different settings."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from debias_pt.features.table import FeatureTable
from debias_pt.groups.groups import Groups
from debias_pt.models.backbone import Backbone
from debias_pt.training.stacking import fit_together
from debias_pt.training.tuner import Tuner

from .case import SpeedCase
from .timing import compare, section

STEPS = 10
# Runs that share a fit though method, loss, sharpness and learning rate differ.
MIXED: tuple[dict[str, Any], ...] = (
    {"method": "erm"},
    {"method": "erm", "loss": "gce", "q": 0.5},
    {"method": "balanced", "lr": 0.002},
    {"method": "dpt", "eta": 1.0, "warmup_steps": 2},
    {"method": "dpt", "eta": 4.0, "lr": 0.01},
)


def measure(case: SpeedCase) -> list[dict[str, Any]]:
    """Time stacked fits of the case's own data."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of small groups
        return stacked(case.backbone, case.prepared.table, case.prepared.pseudo, steps=STEPS, rounds=case.rounds)


def stacked(
    backbone: Backbone, table: FeatureTable, groups: Groups, *, seeds: int = 5, steps: int, rounds: int
) -> list[dict[str, Any]]:
    """Time whole fits from given features; a fit of more steps costs proportionally more.

    Parameters
    ----------
    backbone : Backbone
        Its text tower is what the runs share.
    table : FeatureTable
        With rows to train and to validate on.
    groups : Groups
        Of all rows.
    seeds : int
        S, of the first comparison.
    steps : int
        Of every fit.
    rounds : int
        How often each candidate is timed, in turns.

    Returns
    -------
    list of dict
        A section for seeds, whose ``stacked_to_one_seed`` says what S seeds cost (S would be no gain), and one for
        mixed settings.
    """

    def tuner(**options: Any) -> Tuner:
        return Tuner(backbone, steps=steps, **options)

    def fit(**options: Any) -> None:
        tuner(**options).fit(table, groups)

    alone: Sequence[Mapping[str, Any]] = [{"seed": seed} for seed in range(seeds)]
    one, many, apart = "one seed", f"{seeds} seeds stacked", f"{seeds} seeds one by one"
    of_seeds: dict[str, Callable[[], None]] = {
        apart: lambda: _each(fit, alone),
        many: lambda: fit(seeds=seeds),
        one: fit,
    }
    of_settings: dict[str, Callable[[], None]] = {
        f"{len(MIXED)} settings one by one": lambda: _each(fit, MIXED),
        f"{len(MIXED)} settings stacked": lambda: _together([tuner(**options) for options in MIXED], table, groups),
    }
    timings = compare(of_seeds, rounds)
    cost = timings[many].ratio_to(timings[one])
    facts = {
        "classes": len(table.class_names),
        "training_samples": int((table.split == "train").sum()),
        "steps": steps,
    }
    note = f"{steps} steps; {seeds} seeds stacked take {cost.median:.2f} times ({cost.low:.2f} to {cost.high:.2f}) one"
    return [
        section("Seeds at once", timings, apart, note=note, stacked_to_one_seed=asdict(cost), **facts),
        section(
            "Settings at once", compare(of_settings, rounds), next(iter(of_settings)), note=f"{steps} steps; methods, "
            "losses and learning rates differ", mixed_settings=list(MIXED), **facts,
        ),
    ]  # fmt: skip


def _each(fit: Callable[..., None], settings: Sequence[Mapping[str, Any]]) -> None:
    for options in settings:
        fit(**options)


def _together(tuners: Sequence[Tuner], table: FeatureTable, groups: Groups) -> None:
    first = tuners[0].run_group(table, groups)
    fit_together(tuners, [first, *(tuner.run_group(table, groups, share_features_with=first) for tuner in tuners[1:])])
