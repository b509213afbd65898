"""Everything that fitting needs, resolved once from settings and data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from debias_pt.errors import UsageError
from debias_pt.groups.groups import Groups
from debias_pt.groups.inferred_groups import Inferred, infer_values
from debias_pt.groups.verdict import Verdict
from debias_pt.methods import METHODS
from debias_pt.methods.base import Evidence
from debias_pt.methods.composition import complete, method_of, parts, take_choice
from debias_pt.methods.grouping import make_groups
from debias_pt.settings import TrainSettings
from debias_pt.training.fit_checks import check_fit
from debias_pt.training.selection import RULES
from debias_pt.workflows.prepared import Prepared, answered_by, guard_result, judge

ALL_ROWS = "train+val"  # that values are inferred from, before a method is chosen


@dataclass(frozen=True, eq=False)
class Job:
    """One method on one data set.

    Parameters
    ----------
    settings : TrainSettings
        Complete: what was given, and the method's parts for the rest.
    prepared : Prepared
        The data, with the answers of the probe that the settings name.
    first_groups : Groups
        Of all rows, before any were inferred.
    groups : Groups
        Of all rows, to fit with.
    validation_groups : Groups
        Of all rows, for the selection rule.
    verdicts : mapping of str to Verdict
        What the guard says of each attribute; empty where the method does not rest on words.
    why : str
        Why ``auto`` chose the method, if it did.
    inferred : Inferred or None
        What the images themselves suggest, if that was asked before the method was chosen.
    """

    settings: TrainSettings
    prepared: Prepared
    first_groups: Groups
    groups: Groups
    validation_groups: Groups
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    why: str = ""
    inferred: Inferred | None = None

    @property
    def parts(self) -> dict[str, Any]:
        """What the fit is made of, as plain JSON."""
        return parts(self.settings, self.groups, why=self.why)

    @property
    def probe_result(self) -> dict[str, Any]:
        """The probe's result on the training images, with the guard's verdicts if there are any."""
        result = self.prepared.probe_result("train")
        return {**result, "guard": guard_result(self.verdicts)} if self.verdicts else result


def rests_on_words(settings: TrainSettings) -> bool:
    """Return whether a fit uses what the probe says."""
    return method_of(settings).asks_attribute and settings.groups == "pseudo"


def first_groups(settings: TrainSettings, prepared: Prepared) -> Groups | None:
    """Return the groups that a method starts from; None for those of a method that makes its own.

    Raises
    ------
    UsageError
        If true groups are requested and not annotated.
    """
    if settings.groups == "true":
        return prepared.require_true("--groups true")
    return prepared.pseudo if method_of(settings).asks_attribute else None


def make_job(
    settings: TrainSettings,
    prepared: Prepared,
    verdicts: Mapping[str, Verdict] | None = None,
    why: str = "",
    inferred: Inferred | None = None,
) -> Job:
    """Resolve complete settings on data: answers of their probe, groups, the guard's verdicts.

    `verdicts` are the guard's, if it was asked already, and `inferred` what the images suggest; `why` says why ``auto``
    chose the method.
    """
    method, prepared = method_of(settings), answered_by(prepared, settings.probe or prepared.probe)
    first = first_groups(settings, prepared)
    groups = make_groups(prepared.table, settings, first, inferred=inferred)
    if first is None:
        table = prepared.table
        first = groups if method.makes_groups else Groups.by_class(table.y, table.class_names)
    # A method that looks at no words does not select by their answers either, unless it looks at no groups at all.
    validation = prepared.pseudo if method.asks_attribute or not method.uses_groups else first
    if RULES[str(settings.select)].uses_true_attributes:
        validation = prepared.require_true(f"--select {settings.select}")
    if verdicts is None:
        verdicts = judge(prepared) if rests_on_words(settings) else {}
    return Job(settings, prepared, first, groups, validation, verdicts, why, inferred)


@dataclass(frozen=True)
class Chosen:
    """What ``auto`` chose.

    Parameters
    ----------
    settings : TrainSettings
        Complete, with the method chosen.
    verdicts : mapping of str to Verdict
        What the guard said.
    why : str
    inferred : Inferred or None
        What the images themselves suggest; None where groups are annotated.
    """

    settings: TrainSettings
    verdicts: Mapping[str, Verdict]
    why: str
    inferred: Inferred | None


def choose_method(settings: TrainSettings, prepared: Prepared) -> Chosen:
    """Replace a method that only chooses by the one that the evidence supports.

    The same data and words give the same method, so that a run can be resumed.
    """
    choose = method_of(settings).choose
    assert choose is not None
    annotated = settings.groups == "true"
    verdicts = judge(prepared) if prepared.attributes else {}
    inferred = None if annotated else infer_values(prepared.table, (settings.fit_on or ALL_ROWS).split("+"))
    choice = choose(Evidence(verdicts, inferred.verdict if inferred else None, annotated))
    return Chosen(take_choice(settings, choice), verdicts, choice.why, inferred)


def check_settings(settings: TrainSettings) -> TrainSettings:
    """Complete settings and refuse what cannot work; of a method that chooses, for whatever it may choose."""
    method = method_of(settings)
    if method.choose is None:
        settings = complete(settings)
        check_fit(settings)
        return settings
    for name in method.candidates:
        if settings.groups != "true" or METHODS[name].asks_attribute:
            try:
                check_fit(complete(dataclasses.replace(settings, method=name)))
            except UsageError as error:
                raise UsageError(f"--method {settings.method} may choose {name}: {error}") from None
    return settings
