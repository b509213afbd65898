"""Group balance on the probe's groups."""

from __future__ import annotations

from debias_pt.methods import METHODS
from debias_pt.methods.base import Method
from debias_pt.utils.registry import register

BALANCED = register(METHODS, "balanced")(Method(scheduler="balanced"))
