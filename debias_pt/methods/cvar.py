"""The worst share of the samples, whatever their group."""

from __future__ import annotations

from debias_pt.methods import METHODS
from debias_pt.methods.base import CLASSES, Method
from debias_pt.utils.registry import register

CVAR = register(METHODS, "cvar")(Method(scheduler="cvar", groups=CLASSES, search={"alpha": (0.05, 0.8, "log")}))
