"""Groups from words that a biased head confirms, split by inferred values; a converged linear head."""

from __future__ import annotations

from debias_pt.methods import METHODS
from debias_pt.methods.base import BOTH, Method
from debias_pt.utils.registry import register

ANCHORED = register(METHODS, "anchored")(
    Method(
        scheduler="balanced-within-class",
        groups=BOTH,
        probe="anchored",
        head="standardized",
        soft=True,
        fit_on="train+val",
        fixed=("probe",),
    )
)
