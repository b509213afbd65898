"""Anchored and inferred groups with the head they are made for, and the method that the guard chooses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from debias_pt.groups.guard import NOT_USABLE
from debias_pt.settings import MADE_OF
from debias_pt.workflows.auto import METHOD_FOR

from ..case import CLASSES, Case, Fitted
from ..groupings import Annotated, Classes, Probed
from .loop import LINEAR, Loop

_MADE_OF = {**LINEAR, **MADE_OF["anchored"]}
ANCHORED = Loop({**_MADE_OF, "method": "anchored"}, Probed("anchored"))
ANCHORED_WORDS = Loop({**_MADE_OF, "method": "anchored", "infer_groups": False}, Probed("anchored"))
INFERRED = Loop({**_MADE_OF, "method": "inferred"}, Classes())
ANCHORED_PROMPT = Loop({**MADE_OF["anchored"], "method": "anchored", "head": "prompt"}, Probed("anchored"))
ANCHORED_TRUE = Loop({**_MADE_OF, "method": "anchored"}, Annotated())
WITHOUT_ATTRIBUTE = Loop({**_MADE_OF, "method": "class-balanced", "infer_groups": False})
LOOPS = {"anchored": ANCHORED, "inferred": INFERRED}


@dataclass(frozen=True)
class Auto:
    """The strongest method that the guard's verdict supports, as ``--method auto``."""

    labels: ClassVar[tuple[str, ...]] = (CLASSES,)

    def __call__(self, case: Case) -> Fitted:
        """Ask the guard, and fit what it allows."""
        verdict = case.prepared.guard_result["verdict"] if case.prepared.attributes else NOT_USABLE
        return LOOPS[METHOD_FOR[verdict]](case)
