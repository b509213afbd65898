"""The figures of a report, as a command prints them."""

from __future__ import annotations

from typing import Any

from debias_pt.groups.metrics import SCALARS


def result(**changed: Any) -> dict[str, Any]:
    groups = [
        {"label": "cat", "attribute": "in", "n": 1, "accuracy": 0.0, "ci": [0.0, 0.8]},
        {"label": "cat", "attribute": "out", "n": 50, "accuracy": 0.9, "ci": [0.8, 1.0]},
        {"label": "dog", "attribute": "in", "n": 0, "accuracy": None, "ci": None},
    ]
    small = [{name: group[name] for name in ("label", "attribute", "n")} for group in (groups[0], groups[2])]
    names = dict.fromkeys(SCALARS, 0.5)
    probe = {"kind": "zero-shot", "not_annotated": ["'place'"]}
    return {
        "dataset": "photos", "synthetic": False, "split": "test", "method": "dpt", "oracle": False, "model": "tiny",
        "seeds": [0], **names, "groups": groups, "groups_from": "pseudo", "interval": "95 % Wilson, over samples",
        "intervals": {}, "reported_by": ["place"], "worst_group": small[0], "small_groups": small, "probe": probe,
        "attribute_labels_used": [], "selection": "last", "selected_steps": [7], "steps": 9, "run": "runs/x", **changed,
    }  # fmt: skip
