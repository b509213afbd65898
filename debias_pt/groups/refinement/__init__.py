"""Refining the probe's answers without labels of the attribute."""

from debias_pt.groups.refinement.calibration import calibrate
from debias_pt.groups.refinement.mixture import AttributeMixture, RefinementError, fit_mixture
from debias_pt.groups.refinement.pooling import Refinement, refine
from debias_pt.groups.refinement.refined_probe import KINDS, RefinedProbe

__all__ = [
    "KINDS",
    "AttributeMixture",
    "RefinedProbe",
    "Refinement",
    "RefinementError",
    "calibrate",
    "fit_mixture",
    "refine",
]
