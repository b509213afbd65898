"""What a run is compared with on the same images: the zero-shot model, and its own head without group weights."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.errors import DebiasWarning, NoModelError, UsageError
from debias_pt.groups.attribute_effect import REPLICATES, PairedBootstrap, usual_values
from debias_pt.groups.groups import Groups
from debias_pt.groups.paired import Difference, worst_group_difference
from debias_pt.methods.composition import complete
from debias_pt.models.feature_backbone import FeatureBackbone
from debias_pt.models.zero_shot import zero_shot_weights
from debias_pt.settings import METHOD_OPTIONS, FitSettings, TrainSettings
from debias_pt.training.selection import RULES
from debias_pt.workflows.prepared import Prepared
from debias_pt.workflows.report import reported_by, scores_of

# What belongs to a run's method alone; the baseline shares everything else with it.
OF_METHOD = (*METHOD_OPTIONS, "method_option", "soft", "infer_groups")


def erm_settings(settings: TrainSettings) -> TrainSettings:
    """Return settings with the same head, rows, budget, seeds and selection rule, and no group weights."""
    plain = {name: getattr(FitSettings(), name) for name in OF_METHOD}
    return complete(replace(settings, method="erm", groups="pseudo", **plain))


def baseline_text(settings: Mapping[str, Any]) -> str:
    """Say what the baseline of a run with these settings is.

    Examples
    --------
    >>> baseline_text({"head": "prompt", "fit_on": "train"})
    'plain prompt tuning (erm)'
    >>> baseline_text({"head": "standardized", "fit_on": "train+val"})
    'the same head (standardized) without group weights (erm), fitted on train+val'
    """
    head, rows = settings.get("head") or "prompt", settings.get("fit_on") or "train"
    plain = "plain prompt tuning" if head == "prompt" else f"the same head ({head}) without group weights"
    return f"{plain} (erm)" if rows == "train" else f"{plain} (erm), fitted on {rows}"


def compare(
    settings: TrainSettings,
    prepared: Prepared,
    answers: NDArray[np.int64],
    erm: NDArray[np.int64] | None,
    seeds: Sequence[int],
    split: str,
) -> dict[str, Any]:
    """Return the fields ``baselines`` and ``attribute_effect`` of ``train`` and ``eval`` for one split.

    Parameters
    ----------
    settings, prepared
        Of the run.
    answers : ndarray of int, shape (R, N)
        The run's predictions on the split.
    erm : ndarray of int, shape (R, N), or None
        Those of the fit without group weights; None if the run itself is that, or it is left out.
    seeds : sequence of int
        One per run.
    split : str
    """
    baselines: dict[str, Any] = {}
    asked = zero_shot_answers(prepared, split)
    if asked is not None:
        zero_shot = scores_of(prepared, prepared.report_groups, asked[None], split, (0,))
        del zero_shot["per_seed"]  # nothing is drawn in it
        baselines["zero-shot"] = {"oracle": False, "what": "the frozen model (zero-shot)", **zero_shot}
    predictions = {settings.method: answers}
    if erm is not None:
        predictions["erm"] = erm
        oracle = RULES[str(settings.select)].uses_true_attributes
        scores = scores_of(prepared, prepared.report_groups, erm, split, seeds)
        what = baseline_text({"head": settings.head, "fit_on": settings.fit_on})
        baselines["erm"] = {"oracle": oracle, "what": what, **scores}
    names = reported_by(prepared)
    effect = attribute_effect(prepared, prepared.report_groups, names, predictions, split)
    return {"baselines": baselines, "attribute_effect": effect, **_effect_of_asked(prepared, names, predictions, split)}


def zero_shot_answers(prepared: Prepared, split: str) -> NDArray[np.int64] | None:
    """Return what the frozen model answers on a split, shape ``(N,)``; None where nothing reads the class names.

    Warns
    -----
    DebiasWarning
        If so, says why.
    """
    table = prepared.table
    try:
        frozen = zero_shot_weights(prepared.backbone, table.class_names, table.template).cpu().numpy()
    except UsageError as error:
        if not isinstance(prepared.backbone, FeatureBackbone):
            raise
        why = "there is no model" if isinstance(error, NoModelError) else str(error)
        warnings.warn(f"the zero-shot model is left out: {why}", DebiasWarning, stacklevel=2)
        return None
    return np.asarray((table.where(split).features @ frozen.T).argmax(axis=1), dtype=np.int64)


def _effect_of_asked(
    prepared: Prepared, reported: list[str], predictions: dict[str, NDArray[np.int64]], split: str
) -> dict[str, Any]:
    """Return the effect of the attributes asked for, by the probe's groups, where the report is by others."""
    asked = [answer.name for answer in prepared.answers]
    if set(asked) == set(reported):
        return {}
    return {"effect_of_asked": attribute_effect(prepared, prepared.pseudo, asked, predictions, split)}


def attribute_effect(
    prepared: Prepared, groups: Groups, names: Sequence[str], predictions: dict[str, NDArray[np.int64]], split: str
) -> dict[str, Any] | None:
    """Return how much the attribute mattered without group weights, and what the method changed about it.

    None without an attribute, or where no class has images with and without its usual value.
    """
    if groups.source == "class":
        return None
    shown = groups.rows(prepared.mask(split))
    bootstrap = PairedBootstrap(list(predictions.values()), shown)
    usual = usual_values(groups.rows(prepared.mask("train")))
    gaps = {name: bootstrap.usual_gap(usual, of) for of, name in enumerate(predictions)}
    if None in gaps.values():
        return None
    known = {name: gap for name, gap in gaps.items() if gap is not None}
    right = [answers == shown.y for answers in predictions.values()]
    gain = worst_group_difference(right[0], right[1], shown.index) if len(right) > 1 else None
    attribute = " + ".join(names)
    runs = len(next(iter(predictions.values())))
    return {
        "attribute": attribute,
        "groups_from": groups.source,
        "interval": f"95 % paired, over images{' and seeds' if runs > 1 else ''}",
        "replicates": REPLICATES,
        "usual_minus_other": {name: _plain(gap) for name, gap in known.items()},
        "worst_group_gain": _plain(gain) if gain else None,
        "sentence": sentence(attribute, known, gain),
    }


def _plain(difference: Difference) -> dict[str, Any]:
    return {"difference": difference.mean, "interval": list(difference.interval)}


def sentence(attribute: str, gaps: dict[str, Difference], gain: Difference | None) -> str:
    """Say how much the attribute mattered, in points, with 95 % intervals."""
    method = next(iter(gaps))
    plain = gaps.get("erm", gaps[method])
    who = "training without group weights (erm)" if "erm" in gaps else method
    usual = f"with their class's usual {attribute} than on the others"
    if plain.interval[0] > 0:
        text = f"{attribute} mattered: {who} is {_points(plain)} better on images {usual}"
    elif plain.interval[1] < 0:
        text = f"{attribute} did not help: {who} is {_points(plain, -1)} worse on images {usual}"
    else:
        text = f"no clear sign that {attribute} mattered: {who} is {_points(plain)} better on images {usual}"
    if gain is None:
        return text
    if gain.interval[0] > 0:
        return f"{text}; {method} raised the worst group by {_points(gain)}"
    if gain.interval[1] < 0:
        return f"{text}; {method} lowered the worst group by {_points(gain, -1)}"
    return f"{text}; no clear change of the worst group by {method}: {_points(gain)}"


def _points(difference: Difference, sign: int = 1) -> str:
    value = 100 * sign * difference.mean
    low, high = sorted(100 * sign * end for end in difference.interval)
    return f"{value:.1f} points (95 % interval {low:.1f} to {high:.1f})"
