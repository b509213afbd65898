"""The model card: what was learned, from what, how well it does by group, and what that rests on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from debias_pt.datasets import DATASETS
from debias_pt.datasets.base import is_synthetic
from debias_pt.groups.groups import group_name
from debias_pt.groups.metrics import GroupReport
from debias_pt.training.tuner import Tuner

SCORES = {"worst_group_accuracy": "Worst-group accuracy", "average_accuracy": "Average accuracy"}


def model_card(tuner: Tuner, repo_id: str, result: Mapping[str, Any] | GroupReport | None, license: str | None) -> str:
    """Return a README with the Hub's header.

    Parameters
    ----------
    tuner : Tuner
        Fitted.
    repo_id : str
        ``"user/name"``.
    result : mapping, GroupReport or None
        Figures; see :func:`~debias_pt.sharing.hub.push_to_hub`.
    license : str or None
        By the Hub's name.
    """
    facts = result.to_dict() if isinstance(result, GroupReport) else dict(result or {})
    data = str(facts.get("dataset") or tuner.data_ or "unknown")
    oracle = facts.get("oracle", tuner.oracle_)
    synthetic = facts.get("synthetic", is_synthetic(data))
    name = repo_id.rpartition("/")[2]
    parts = [
        _header(license),
        f"# {name}",
        f"Class weights for {', '.join(tuner.class_names_)}, learned with "
        f"`{tuner.settings.method}` (head `{tuner.settings.head}`, {len(tuner.seeds)} seed(s)) on a frozen "
        f"{tuner._model()} by debias-pt.",
        *_warnings(oracle, synthetic),
        _use(repo_id),
        _figures(facts),
        _terms(data, license),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _header(license: str | None) -> str:
    lines = ["library_name: debias-pt", "pipeline_tag: image-classification", "tags: [clip, group-robustness]"]
    return "\n".join(["---", *([f"license: {license}"] if license else []), *lines, "---"])


def _warnings(oracle: bool | None, synthetic: bool) -> list[str]:
    lines = []
    if oracle:
        lines.append("**Oracle: annotated attributes were used in training or selection.** Its figures are not those "
                     "of a method that sees no annotation.")  # fmt: skip
    if oracle is None:
        lines.append("Whether annotated attributes were used in training is not recorded.")
    if synthetic:
        lines.append("**Synthetic: the training images were drawn by a program.** Do not expect much of it on "
                     "photographs.")  # fmt: skip
    return lines


def _use(repo_id: str) -> str:
    return "\n".join(
        ["## Use", "", "```python", "from debias_pt import from_hub", "",
         f'tuner = from_hub("{repo_id}")',
         'tuner.predict(["photo.jpg"], ensemble=True)  # class numbers; names in tuner.class_names_', "```", "",
         "The frozen model is not in this repository. Where it cannot be loaded by its name, give it: "
         "`from_hub(..., pretrained=\"local-dir:...\")`; another model is refused."]
    )  # fmt: skip


def _figures(facts: Mapping[str, Any]) -> str:
    if "groups" not in facts:
        return "## Accuracy by group\n\nNot reported."
    split = f", {facts['split']} split" if "split" in facts else ""
    rows = [f"| {label} | {facts[key]:.1%} |" for key, label in SCORES.items() if facts.get(key) is not None]
    rows += [
        f"| {group_name(group['label'], group['attribute'])} ({group['n']} images) | {group['accuracy']:.1%} |"
        for group in facts["groups"]
        if group["n"]
    ]
    source = {"pseudo": "The groups are those of the probe, not annotated.", "class": "The groups are the classes."}
    note = source.get(str(facts.get("groups_from", facts.get("source", ""))), "")
    return "\n".join(
        [f"## Accuracy by group{split}", "", "| | accuracy |", "| --- | --- |", *rows, *(["", note] * bool(note))]
    )


def _terms(data: str, license: str | None) -> str:
    terms = (
        f" Its terms: {DATASETS[data].card.terms}"
        if data in DATASETS
        else " Its terms apply to what was learned from it."
    )
    own = f"What was learned is published under {license}." if license else "No license is given for what was learned."
    return f"## Terms\n\nTrained on {data}.{terms} {own} The terms of the frozen model apply as well."
