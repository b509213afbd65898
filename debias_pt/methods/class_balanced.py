"""Class balance, the control for every method that balances groups."""

from __future__ import annotations

from debias_pt.methods import METHODS
from debias_pt.methods.base import CLASSES, Method
from debias_pt.utils.registry import register

CLASS_BALANCED = register(METHODS, "class-balanced")(Method(scheduler="class-balanced", groups=CLASSES))
