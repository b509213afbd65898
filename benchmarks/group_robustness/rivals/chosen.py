"""Methods that choose another one by what the guard says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from debias_pt.methods import METHODS

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
        """Fit what the method chooses."""
        return self.loop(case)(case)

    def loop(self, case: Case) -> Loop:
        """Ask the guard, and return the row of the method that is chosen."""
        choose = METHODS[self.method].choose
        assert choose is not None
        name, _ = choose(case.verdicts if case.prepared.attributes else {}, False)
        return Loop({"method": name})
