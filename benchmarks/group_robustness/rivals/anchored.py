"""Anchored groups with the head they are made for, and the method that the guard chooses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from debias_pt.settings import MADE_OF
from debias_pt.workflows.auto import METHOD_FOR

from ..case import CLASSES, Case, Fitted
from ..groupings import Annotated, Probed
from .loop import LINEAR, Loop

_MADE_OF = {**LINEAR, **MADE_OF["anchored"]}
ANCHORED = Loop({**_MADE_OF, "method": "anchored"}, Probed("anchored"))
ANCHORED_PROMPT = Loop({**MADE_OF["anchored"], "method": "anchored", "head": "prompt"}, Probed("anchored"))
ANCHORED_TRUE = Loop({**_MADE_OF, "method": "anchored"}, Annotated())
WITHOUT_ATTRIBUTE = Loop({**_MADE_OF, "method": "class-balanced"})
LOOPS = {"anchored": ANCHORED, "class-balanced": WITHOUT_ATTRIBUTE}


@dataclass(frozen=True)
class Auto:
    """The strongest method that the guard's verdict supports, as ``--method auto``."""

    labels: ClassVar[tuple[str, ...]] = (CLASSES,)

    def __call__(self, case: Case) -> Fitted:
        """Ask the guard, and fit what it allows."""
        return LOOPS[METHOD_FOR[case.prepared.guard_result["verdict"]]](case)
