"""Methods that choose another one by what the guard and the images say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from debias_pt.groups.inferred_groups import infer_values
from debias_pt.methods import METHODS
from debias_pt.methods.base import Choice, Evidence
from debias_pt.workflows.job import ALL_ROWS

from ..case import CLASSES, Case, Fitted
from .loop import Loop


@dataclass(frozen=True)
class Chosen:
    """What a method that chooses takes for a data set, fitted as that method.

    Parameters
    ----------
    method : str
        The method that chooses, such as ``auto``.
    """

    method: str
    labels: ClassVar[tuple[str, ...]] = (CLASSES,)

    def __call__(self, case: Case) -> Fitted:
        """Ask the guard and the images, and fit what the method chooses."""
        choice = self.choice(case)
        return Loop({"method": choice.method, **choice.parts})(case)

    def choice(self, case: Case) -> Choice:
        """Return what the method chooses."""
        choose = METHODS[self.method].choose
        assert choose is not None
        inferred = infer_values(case.prepared.table, ALL_ROWS.split("+"))
        return choose(Evidence(case.verdicts if case.prepared.attributes else {}, inferred.verdict))
