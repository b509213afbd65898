"""debias-pt: debiased prompt tuning of CLIP-like models, without annotating the shortcut.

Names are imported when they are first used, so that ``import debias_pt`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from debias_pt.attributes import Attribute
    from debias_pt.backbone import Backbone
    from debias_pt.datasets import OwnData, load_dataset
    from debias_pt.encoding import encode
    from debias_pt.features import FeatureTable, TrueAttribute
    from debias_pt.groups import Groups
    from debias_pt.listings.drawing import Shares
    from debias_pt.metrics import GroupReport
    from debias_pt.probe import AttributeProbe
    from debias_pt.samples import encode_samples
    from debias_pt.stacking import fit_together
    from debias_pt.tables import join_tables, table_from_arrays
    from debias_pt.tuner import PromptTuner

__version__ = "0.1.0"

_HOMES = {
    "Attribute": "attributes",
    "AttributeProbe": "probe",
    "Backbone": "backbone",
    "FeatureTable": "features",
    "GroupReport": "metrics",
    "Groups": "groups",
    "OwnData": "datasets",
    "PromptTuner": "tuner",
    "Shares": "listings.drawing",
    "TrueAttribute": "features",
    "encode": "encoding",
    "encode_samples": "samples",
    "fit_together": "stacking",
    "join_tables": "tables",
    "load_dataset": "datasets",
    "table_from_arrays": "tables",
}
__all__ = [
    "Attribute",
    "AttributeProbe",
    "Backbone",
    "FeatureTable",
    "GroupReport",
    "Groups",
    "OwnData",
    "PromptTuner",
    "Shares",
    "TrueAttribute",
    "encode",
    "encode_samples",
    "fit_together",
    "join_tables",
    "load_dataset",
    "table_from_arrays",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"debias_pt.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'debias_pt' has no attribute {name!r}")
