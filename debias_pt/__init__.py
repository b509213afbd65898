"""debias-pt: debiased prompt tuning of CLIP-like models, without annotating the shortcut.

Names are imported when they are first used, so that ``import debias_pt`` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from debias_pt.utils.lazy import lazy_names

if TYPE_CHECKING:
    from debias_pt.datasets import CustomData, load_dataset
    from debias_pt.datasets import CustomData as OwnData  # noqa: F401  # as it was called in 0.1
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
    from debias_pt.methods.base import Method
    from debias_pt.methods.grouping import make_groups
    from debias_pt.models.backbone import Backbone
    from debias_pt.run import Run, load_run, open_run, train  # noqa: F401  # load_run: an old spelling
    from debias_pt.sharing.export import export_tuner
    from debias_pt.sharing.hub import from_hub, push_to_hub
    from debias_pt.training.stacking import fit_together
    from debias_pt.training.tuner import Tuner
    from debias_pt.training.tuner import Tuner as PromptTuner  # noqa: F401  # as it was called in 0.1

__version__ = "0.1.0"

__all__ = [
    "Attribute",
    "AttributeProbe",
    "Backbone",
    "CustomData",
    "FeatureTable",
    "GroupReport",
    "Groups",
    "Method",
    "RefinedProbe",
    "Run",
    "Shares",
    "TrueAttribute",
    "Tuner",
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
    "make_groups",
    "open_run",
    "push_to_hub",
    "table_from_arrays",
    "train",
]

__getattr__ = lazy_names(__name__)
