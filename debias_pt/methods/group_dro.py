"""GroupDRO on the probe's groups."""

from __future__ import annotations

from debias_pt.methods import METHODS
from debias_pt.methods.base import Method
from debias_pt.utils.registry import register

GROUP_DRO = register(METHODS, "group-dro")(Method(scheduler="group-dro", search={"eta": (0.01, 1.0, "log")}))
