"""DPT on groups whose attribute the mixture probe refined."""

from __future__ import annotations

from dataclasses import replace

from debias_pt.methods import METHODS
from debias_pt.methods.dpt import DPT
from debias_pt.utils.registry import register

DPT_MIXTURE = register(METHODS, "dpt-mixture")(replace(DPT, probe="mixture", fixed=("probe",)))
