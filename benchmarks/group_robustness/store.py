"""What a row's result depends on."""

from __future__ import annotations

from typing import Any

from debias_pt.fingerprint import digest
from debias_pt.settings import FitSettings
from debias_pt.versions import versions

from .case import Case, Fit

# Raise it when a change of code changes a result.
EDITION = 2


def key(case: Case, fit: Fit) -> dict[str, Any]:
    """Return all that a row's result depends on, as plain JSON.

    The row's own settings, the common budget, images, labels, annotations, model, the attributes' wording,
    versions, and the edition of this code.
    """
    table, settings = case.prepared.table, case.settings
    annotated = {name: [true.values, true.labels.tolist()] for name, true in table.attributes.items()}
    return {
        "edition": EDITION,
        "versions": versions(),
        "fit": repr(fit),
        "settings": {name: getattr(settings, name) for name in FitSettings.__dataclass_fields__},
        "split": settings.split,
        "backbone": case.prepared.backbone.fingerprint,
        "data": {**table.data_fingerprint(), "annotations": digest(annotated)},
        "attributes": [attribute.describe() for attribute in case.prepared.attributes],
        **({} if case.prepared.probe == "zero-shot" else {"probe": case.prepared.probe}),
    }
