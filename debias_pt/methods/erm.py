"""Plain training: every sample counts the same."""

from __future__ import annotations

from debias_pt.methods import METHODS
from debias_pt.methods.base import CLASSES, Method
from debias_pt.utils.registry import register

ERM = register(METHODS, "erm")(Method(scheduler="erm", groups=CLASSES))
