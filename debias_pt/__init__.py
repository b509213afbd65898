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
    from debias_pt.features.encoding import encode
    from debias_pt.features.samples import encode_samples
    from debias_pt.features.table import FeatureTable, join_tables, table_from_arrays
    from debias_pt.groups.groups import Groups
    from debias_pt.groups.metrics import GroupReport
    from debias_pt.groups.probe import AttributeProbe
    from debias_pt.models.backbone import Backbone
    from debias_pt.training.stacking import fit_together
    from debias_pt.training.tuner import PromptTuner
    from debias_pt.workflows.evaluate import load_run, open_run

__version__ = "0.1.0"

__all__ = [
    "Attribute",
    "AttributeProbe",
    "Backbone",
    "CustomData",
    "FeatureTable",
    "GroupReport",
    "Groups",
    "PromptTuner",
    "Shares",
    "TrueAttribute",
    "encode",
    "encode_samples",
    "fit_together",
    "join_tables",
    "load_dataset",
    "load_run",
    "open_run",
    "table_from_arrays",
]

__getattr__ = lazy_names(__name__)
