"""The experiments of :mod:`.groups` in the same form as the others: points, and findings about them."""

from __future__ import annotations

import dataclasses
from typing import Any

from debias_pt.settings import TrainSettings

from ..group_robustness import robust_losses as groups
from .claims import Claim, findings
from .settings import NoisySettings

GROUPS = "groups"
WORST = "worst_group_accuracy"
ERM, DPT, MIXTURE = "erm (groups: none)", "dpt (groups: zero-shot probe)", "dpt-mixture (groups: refined probe)"
ABOUT = {
    "loss": "GCE damps samples of low probability, DPT boosts groups of low probability: alone, GCE should hurt the "
    "worst group.",
    "groups": "The probe's pseudo attributes are labels with confusion noise: what of their errors costs accuracy?",
}
CE, ROBUST = "cross-entropy", "gce, q 0.7"


def with_groups(settings: NoisySettings, *, quick: bool = False, fresh: bool = False) -> list[dict[str, Any]]:
    """Return robust losses with group weights and, if attributes are annotated, the probe as noise.

    These fit the whole training split with the budget of the group-robustness suite, not few shots.

    Raises
    ------
    UsageError
        For data without suspected attributes.
    """
    data = {
        field.name: getattr(settings, field.name)
        for field in dataclasses.fields(TrainSettings)
        if hasattr(settings, field.name)
    }
    own = TrainSettings(**{**data, "steps": TrainSettings().steps if settings.steps is None else settings.steps})
    crossed = groups.losses_and_groups(own, qs=(0.7,) if quick else groups.QS, fresh=fresh)
    reports = [_report("groups", "Robust losses and group weights", "loss", crossed, _claims())]
    if not crossed["probe"]["not_annotated"]:
        noise = groups.probe_as_noise(own, fresh=fresh)
        reports.append(_report("groups: probe", "The probe's answers as noise", "groups", noise, []))
    return reports


def _claims() -> list[Claim]:
    return [
        Claim("GCE (q 0.7) alone lowers the worst group of erm", (ERM, CE), (ERM, ROBUST)),
        Claim("with GCE, DPT's weights raise the worst group", (DPT, ROBUST), (ERM, ROBUST)),
        Claim("DPT with GCE is above DPT with CE", (DPT, ROBUST), (DPT, CE)),
        Claim("dpt-mixture with GCE is above dpt-mixture with CE", (MIXTURE, ROBUST), (MIXTURE, CE)),
    ]


def _report(name: str, title: str, x: str, result: dict[str, Any], claims: list[Claim]) -> dict[str, Any]:
    points = [_point(one, by_loss=x == "loss") for one in result["cells"]]
    budget = result["settings"]
    return {
        "experiment": name,
        "title": title,
        "about": f"{ABOUT[x]} The whole training split with its own labels, {budget['steps']} steps, step selection "
        f"{budget['select']}.",
        "x": x,
        "measure": "worst-group accuracy",
        "points": points,
        "findings": findings(name, claims, points),
        "confusion": result.get("confusion"),
    }


def _point(one: dict[str, Any], *, by_loss: bool) -> dict[str, Any]:
    series = f"{one['method']} (groups: {one['groups_from_words']})" if by_loss else one["method"]
    per_seed = [run[WORST] for run in one["per_seed"]]
    return {
        "series": series,
        "x": one["loss"] if by_loss else one["groups_from_words"],
        "mean": one[WORST],
        "interval": one["intervals"].get(WORST) if len(per_seed) > 1 else None,
        "per_seed": per_seed,
        "average_accuracy": one["average_accuracy"],
        "attribute_accuracy": one["attribute_accuracy"],
        "oracle": one["oracle"],
        "stored": one["stored"],
    }
