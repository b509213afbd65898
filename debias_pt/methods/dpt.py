"""DPT (arXiv 2503.08368): the zero-shot probe's groups, weights by size and confidence, a learned prompt."""

from __future__ import annotations

from debias_pt.methods import METHODS
from debias_pt.methods.base import Method
from debias_pt.utils.registry import register

DPT = register(METHODS, "dpt")(Method(scheduler="dpt", search={"eta": (0.5, 8.0, "log"), "ema": [0.0, 0.5, 0.9, 0.99]}))
