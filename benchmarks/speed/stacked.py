"""Many runs at once against the same runs one by one: seeds of one method, and methods of different settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from debias_pt.backbone import Backbone
from debias_pt.features import FeatureTable
from debias_pt.groups import Groups
from debias_pt.stacking import fit_together
from debias_pt.tuner import PromptTuner

from .timing import compare

# Runs that share a fit though method, loss, sharpness and learning rate differ.
MIXED: tuple[dict[str, Any], ...] = (
    {"method": "erm"},
    {"method": "erm", "loss": "gce", "q": 0.5},
    {"method": "balanced", "lr": 0.002},
    {"method": "dpt", "eta": 1.0, "warmup_steps": 2},
    {"method": "dpt", "eta": 4.0, "lr": 0.01},
)


def stacked(
    backbone: Backbone, table: FeatureTable, groups: Groups, *, seeds: int = 5, steps: int = 10, rounds: int = 5
) -> dict[str, Any]:
    """Time whole fits from features at hand; a fit of more steps costs in proportion.

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
    dict
        ``seconds`` of every candidate with median, quartiles and rounds, and ``ratios`` with their quartiles:
        ``stacked_to_one_seed`` (S would be no gain), ``one_by_one_to_stacked`` for seeds and for mixed settings.
    """

    def tuner(**options: Any) -> PromptTuner:
        return PromptTuner(backbone, steps=steps, **options)

    def fit(**options: Any) -> None:
        tuner(**options).fit(table, groups)

    alone: Sequence[Mapping[str, Any]] = [{"seed": seed} for seed in range(seeds)]
    candidates: dict[str, Callable[[], None]] = {
        "one seed": fit,
        "seeds stacked": lambda: fit(seeds=seeds),
        "seeds one by one": lambda: _each(fit, alone),
        "mixed settings stacked": lambda: _together([tuner(**options) for options in MIXED], table, groups),
        "mixed settings one by one": lambda: _each(fit, MIXED),
    }
    timings = compare(candidates, rounds)
    ratios = {
        "stacked_to_one_seed": ("seeds stacked", "one seed"),
        "one_by_one_to_stacked": ("seeds one by one", "seeds stacked"),
        "mixed_one_by_one_to_stacked": ("mixed settings one by one", "mixed settings stacked"),
    }
    return {
        "classes": len(table.class_names),
        "training_samples": int((table.split == "train").sum()),
        "seeds": seeds,
        "mixed_settings": list(MIXED),
        "steps": steps,
        "seconds": {name: timing.to_dict() for name, timing in timings.items()},
        "ratios": {name: asdict(timings[a].ratio_to(timings[b])) for name, (a, b) in ratios.items()},
    }


def _each(fit: Callable[..., None], settings: Sequence[Mapping[str, Any]]) -> None:
    for options in settings:
        fit(**options)


def _together(tuners: Sequence[PromptTuner], table: FeatureTable, groups: Groups) -> None:
    first = tuners[0].part(table, groups)
    fit_together(tuners, [first, *(tuner.part(table, groups, beside=first) for tuner in tuners[1:])])
