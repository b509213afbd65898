"""debias-pt: debiased prompt tuning of CLIP-like models, without annotating the shortcut.

Names are imported when they are first used, so that ``import debias_pt`` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from debias_pt.utils.lazy import lazy_names

if TYPE_CHECKING:
    from debias_pt.datasets import OwnData, load_dataset
    from debias_pt.datasets.attributes import Attribute, TrueAttribute
    from debias_pt.datasets.splits import Shares
    from debias_pt.discovery.discover import find_attributes
    from debias_pt.features.encoding import encode
    from debias_pt.features.samples import encode_samples
    from debias_pt.features.table import FeatureTable, join_tables, table_from_arrays
    from debias_pt.groups.groups import Groups
    from debias_pt.groups.guard import guard
    from debias_pt.groups.inferred_groups import infer_groups
    from debias_pt.groups.metrics import GroupReport
    from debias_pt.groups.probe import AttributeProbe
    from debias_pt.groups.refinement.refined_probe import RefinedProbe
    from debias_pt.methods import METHODS
    from debias_pt.methods.base import Method
    from debias_pt.methods.grouping import make_groups
    from debias_pt.models.backbone import Backbone
    from debias_pt.sharing.export import export_tuner
    from debias_pt.sharing.hub import from_hub, push_to_hub
    from debias_pt.training.stacking import fit_together
    from debias_pt.training.tuner import PromptTuner
    from debias_pt.workflows.run import Run, load_run, open_run, train

__version__ = "0.1.0"

_HOMES = {
    "Attribute": "datasets.attributes",
    "AttributeProbe": "groups.probe",
    "Backbone": "models.backbone",
    "FeatureTable": "features.table",
    "GroupReport": "groups.metrics",
    "Groups": "groups.groups",
    "OwnData": "datasets.custom.listing",
    "PromptTuner": "training.tuner",
    "Shares": "datasets.splits",
    "TrueAttribute": "datasets.attributes",
    "encode": "features.encoding",
    "encode_samples": "features.samples",
    "export_tuner": "sharing.export",
    "fit_together": "training.stacking",
    "from_hub": "sharing.hub",
    "join_tables": "features.table",
    "load_dataset": "datasets.load",
    "load_run": "workflows.run",
    "open_run": "workflows.run",
    "Run": "workflows.run",
    "train": "workflows.run",
    "METHODS": "methods",
    "Method": "methods.base",
    "RefinedProbe": "groups.refinement.refined_probe",
    "find_attributes": "discovery.discover",
    "guard": "groups.guard",
    "infer_groups": "groups.inferred_groups",
    "make_groups": "methods.grouping",
    "push_to_hub": "sharing.hub",
    "table_from_arrays": "features.table",
}
__all__ = [
    "METHODS",
    "Attribute",
    "AttributeProbe",
    "Backbone",
    "FeatureTable",
    "GroupReport",
    "Groups",
    "Method",
    "OwnData",
    "PromptTuner",
    "RefinedProbe",
    "Run",
    "Shares",
    "TrueAttribute",
    "encode",
    "encode_samples",
    "export_tuner",
    "find_attributes",
    "fit_together",
    "from_hub",
    "guard",
    "infer_groups",
    "join_tables",
    "load_dataset",
    "load_run",
    "make_groups",
    "open_run",
    "push_to_hub",
    "table_from_arrays",
    "train",
]

__getattr__ = lazy_names(__name__, _HOMES)
