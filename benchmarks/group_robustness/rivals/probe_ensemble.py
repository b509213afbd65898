"""Last layers fitted on the groups of several probes, averaged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from debias_pt.reweighting import make_reweighter
from debias_pt.settings import PROBES
from debias_pt.training.stacking import stack
from debias_pt.training.tuner import Tuner

from ..case import CLASSES, Case, Fitted, frozen, linear

# Head, rows and weights of `anchored`; the groups are hard.
HEAD: dict[str, Any] = {"method": "balanced", "head": "standardized", "fit_on": "train+val", "select": "last"}


@dataclass(frozen=True)
class ProbeEnsemble:
    """The mean of the class weights that linear heads learn, each from another probe's groups.

    The heads are linear, so the mean of their weights gives the mean of their logits. Probes err on different images;
    whether that helps is what the row is for. Only last layers are combined: the features are one frozen model's.

    Parameters
    ----------
    probes : tuple of str
        Of ``PROBES``.
    """

    probes: tuple[str, ...] = PROBES
    labels: ClassVar[tuple[str, ...]] = (CLASSES,)

    def __call__(self, case: Case) -> Fitted:
        """Fit the heads of all probes and seeds at once."""
        tuners = [Tuner(case.prepared.backbone, case.options(**HEAD)) for _ in self.probes]
        groups = [case.asked(probe).pseudo for probe in self.probes]
        run_groups = [
            tuner.run_group(case.prepared.table, one, reweighter=make_reweighter("balanced-within-class"))
            for tuner, one in zip(tuners, groups, strict=True)
        ]
        training = stack(tuners, run_groups)
        training.run()
        weights = frozen(training.head)
        return Fitted(case.seeds, linear(weights.reshape(len(self.probes), -1, *weights.shape[1:]).mean(axis=0)))
