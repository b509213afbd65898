"""Whatever the library's own tuner fits: a head and a group reweighting scheduler."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.groups import Groups
from debias_pt.reweighting import Reweighter
from debias_pt.selection import Selector
from debias_pt.training import Training
from debias_pt.tuner import PromptTuner, scheduler

from ..case import CLASSES, Case, Fitted, both_selections, watch_true
from ..grouping import Grouping, Pseudo
from ..minority import in_minority

# What a head without a prompt does not take.
LINEAR = {"head": "linear", "context_length": None, "context_init": "random", "class_specific": False}
LINEAR |= {"class_position": "end"}


@dataclass(frozen=True)
class Loop:
    """A method of ``debias-pt train``.

    Parameters
    ----------
    options : mapping
        Settings over the common ones: ``method``, and for some ``head``.
    groups : Grouping
        What it is fitted with.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    groups: Grouping = field(default_factory=Pseudo)

    @property
    def labels(self) -> tuple[str, ...]:
        """What it saw."""
        return (CLASSES, *self.groups.labels)

    def __call__(self, case: Case) -> Fitted:
        """Fit all seeds at once."""
        groups = self.groups(case)
        return fit(case, groups, self.groups.for_selection(case), flagged=self._flagged(case, groups), **self.options)

    def _flagged(self, case: Case, groups: Groups) -> NDArray[np.bool_] | None:
        """Return what the groups take for minorities, if the method uses groups and they are not given."""
        asks = scheduler(case.options(**self.options)).uses_attributes and not self.groups.labels
        return in_minority(case, groups) if asks else None


def fit(
    case: Case,
    groups: Groups,
    selection: Groups,
    *,
    reweighter: Reweighter | None = None,
    flagged: NDArray[np.bool_] | None = None,
    **options: Any,
) -> Fitted:
    """Fit a tuner once and keep its steps twice: by the common rule, and by the literature's."""
    tuner = PromptTuner(case.prepared.backbone, case.options(**options))
    begun: list[tuple[Training, Selector | None]] = []

    def begin(training: Training) -> Callable[[], None]:
        begun.append((training, watch_true(training, case)))
        return lambda: None

    validation = case.val_groups(selection)
    tuner.fit(case.prepared.table, groups, validation_groups=validation, reweighter=reweighter, begin=begin)
    return both_selections(*begun[0], flagged=flagged)
