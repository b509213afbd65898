"""Methods that the library's own tuner fits: a head and a group reweighting scheduler."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.groups.groups import Groups
from debias_pt.methods.composition import method_of
from debias_pt.reweighting import Reweighter
from debias_pt.training.callbacks import Callback
from debias_pt.training.run_group import RunGroup
from debias_pt.training.stacking import stack
from debias_pt.training.tuner import Tuner
from debias_pt.workflows.job import make_job

from ..case import CLASSES, Case, Fitted, run_both_selections
from ..groupings import Grouping
from ..minority_recall import in_minority


@dataclass(frozen=True)
class Loop:
    """A method of ``debias-pt train``.

    Parameters
    ----------
    options : mapping
        Settings over the common ones: ``method``, and for some ``head``.
    groups : Grouping, optional
        What it is fitted with instead of the method's own groups.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    groups: Grouping | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """What it saw."""
        return (CLASSES, *(self.groups.labels if self.groups else ()))

    def made_groups(self, case: Case) -> tuple[Groups, Groups]:
        """Return the groups to fit with and those to select steps by."""
        if self.groups is not None:
            return self.groups(case), case.val_groups(self.groups.for_selection(case))
        settings = case.options(**self.options)
        job = make_job(settings, case.asked(settings.probe or case.prepared.probe), {})
        return job.groups, case.val_groups(job.validation_groups)

    def __call__(self, case: Case) -> Fitted:
        """Fit all seeds at once."""
        return fit_loops([(case, self)])[0]

    def flagged(self, case: Case) -> NDArray[np.bool_] | None:
        """Return what the groups consider minorities, if the method uses groups and they are not given."""
        settings = case.options(**self.options)
        if not method_of(settings).asks_attribute or len(self.labels) > 1:
            return None
        probed = self.groups(case) if self.groups else case.asked(settings.probe or case.prepared.probe).pseudo
        return in_minority(case, probed)


def fit_loops(jobs: Sequence[tuple[Case, Loop]], callbacks: Sequence[Callback] = ()) -> list[Fitted]:
    """Fit the seeds of several methods at once; cases may differ in the probe's answers, not in images or labels."""
    tuners: list[Tuner] = []
    run_groups: list[RunGroup] = []
    for case, loop in jobs:
        tuner = Tuner(case.prepared.backbone, case.options(**loop.options))
        groups, validation = loop.made_groups(case)
        beside = run_groups[0] if run_groups else None
        run_groups.append(
            tuner.run_group(case.prepared.table, groups, validation_groups=validation, share_features_with=beside)
        )
        tuners.append(tuner)
    fitted = run_both_selections(stack(tuners, run_groups), jobs[0][0], callbacks)
    return [
        dataclasses.replace(one, flagged=loop.flagged(case)) for one, (case, loop) in zip(fitted, jobs, strict=True)
    ]


def fit(
    case: Case, groups: Groups, selection: Groups, *, reweighter: Reweighter | None = None, **options: Any
) -> Fitted:
    """Fit a tuner once and keep its steps twice: by the common rule, and by the literature's."""
    tuner = Tuner(case.prepared.backbone, case.options(**options))
    validation = case.val_groups(selection)
    run_group = tuner.run_group(case.prepared.table, groups, validation_groups=validation, reweighter=reweighter)
    return run_both_selections(stack([tuner], [run_group]), case)[0]
