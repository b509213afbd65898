"""The parts of ``anchored``, with groups inferred from images and class labels alone."""

from __future__ import annotations

from dataclasses import replace

from debias_pt.methods import METHODS
from debias_pt.methods.anchored import ANCHORED
from debias_pt.methods.base import INFERRED
from debias_pt.settings import ZERO_SHOT
from debias_pt.utils.registry import register

# A probe is asked only where an attribute is named all the same, for the report.
ONLY_INFERRED = register(METHODS, "inferred")(
    replace(ANCHORED, groups=INFERRED, probe=ZERO_SHOT, fixed=("infer_groups",))
)
