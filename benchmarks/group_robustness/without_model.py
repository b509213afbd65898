"""Features without a model: which rows can be fitted on them, and which are left out."""

from __future__ import annotations

import dataclasses

from debias_pt.datasets.custom.feature_paths import holds_features
from debias_pt.errors import UsageError
from debias_pt.methods.composition import method_of
from debias_pt.models.feature_backbone import FeatureBackbone
from debias_pt.settings import TrainSettings
from debias_pt.training.fit_checks import require_head
from debias_pt.workflows.prepare import names_model

from .case import Case, Fit
from .groupings import Probed, Pseudo, Shuffled
from .rivals.jtt import JTT
from .rivals.loop import Loop
from .rivals.ppa import PPA
from .rivals.projection import Projection
from .rivals.zero_shot import ZeroShot

BY_WORDS = (Pseudo, Probed, Shuffled)


def to_prepare(settings: TrainSettings) -> TrainSettings:
    """Return settings to prepare data with: what features lack for single rows is no reason to refuse all of them."""
    if not holds_features(settings.dataset) or names_model(settings):
        return settings
    return dataclasses.replace(settings, method="class-balanced", head="linear", groups="pseudo")


def can_fit(fit: Fit, case: Case) -> bool:
    """Tell whether a row can be fitted: anything on images; on features, what reads no words that are not there."""
    if not isinstance(case.prepared.backbone, FeatureBackbone):
        return True
    if not case.prepared.attributes and asks(fit, case):
        return False
    try:
        _read(fit, case)
    except UsageError:
        return False
    return True


def asks(fit: Fit, case: Case) -> bool:
    """Tell whether a row rests on an attribute in words."""
    groups = getattr(fit, "groups", None)
    if isinstance(fit, Loop) and groups is None:
        return method_of(case.options(**fit.options)).asks_attribute
    return isinstance(groups, BY_WORDS) or isinstance(fit, Projection) or (isinstance(fit, PPA) and fit.probe)


def _read(fit: Fit, case: Case) -> None:
    """Read the words that a row reads, which takes no time."""
    backbone, names = case.prepared.backbone, case.prepared.table.class_names
    if isinstance(fit, Loop | JTT):
        options = fit.options if isinstance(fit, Loop) else {"method": "erm"}
        require_head(case.options(**options), backbone, names)
    elif isinstance(fit, PPA) and not fit.probe:
        ZeroShot().weights(case)
    elif isinstance(fit, ZeroShot | Projection):
        fit(case)
