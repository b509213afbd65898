"""DPT's scheduler, on groups whose attribute the mixture probe refined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from debias_pt.reweighting import REWEIGHTERS
from debias_pt.reweighting.dpt import DPT
from debias_pt.utils.registry import register


@register(REWEIGHTERS, "dpt-mixture")
@dataclass(eq=False)
class DPTMixture(DPT):
    """DPT's weights, with the ``mixture`` probe instead of the zero-shot one.

    The scheduler is exactly :class:`DPT`. From Python, give the tuner groups made with
    :class:`debias_pt.groups.refinement.RefinedProbe`.

    Examples
    --------
    >>> DPTMixture(eta=1.0)
    DPTMixture(eta=1.0, ema=0.9, refresh='step', normalize='mean')
    """

    probe: ClassVar[str] = "mixture"
