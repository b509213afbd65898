"""The groups that a method fits with: made here for the command line, Python, scikit-learn and the suites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from debias_pt.datasets.attributes import Attribute, PseudoAttribute
from debias_pt.errors import UsageError
from debias_pt.features.table import FeatureTable
from debias_pt.groups.groups import ANNOTATION, INFERRED, Groups
from debias_pt.groups.inferred_groups import infer_groups
from debias_pt.groups.probe import AttributeProbe
from debias_pt.groups.refinement import RefinedProbe
from debias_pt.methods.base import Method
from debias_pt.methods.composition import complete, require_chosen
from debias_pt.models.backbone import Backbone
from debias_pt.settings import ZERO_SHOT, FitSettings


@dataclass(frozen=True)
class Answers:
    """What a probe says of every row.

    Parameters
    ----------
    attributes : tuple of PseudoAttribute
        One per attribute that was asked about.
    refined : RefinedProbe or None
        The probe, if it was fitted on the training rows.
    """

    attributes: tuple[PseudoAttribute, ...]
    refined: RefinedProbe | None = None


def ask(backbone: Backbone, table: FeatureTable, attributes: Sequence[Attribute], probe: str = ZERO_SHOT) -> Answers:
    """Ask a probe about attributes of all rows.

    Parameters
    ----------
    backbone : Backbone
        The model that made the features.
    table : FeatureTable
        N rows; a probe that is refined is fitted on the ``train`` rows.
    attributes : sequence of Attribute
    probe : str
        Of ``PROBES``.
    """
    zero_shot = AttributeProbe(backbone, attributes, table.class_names)
    if probe == ZERO_SHOT or not attributes:
        return Answers(zero_shot.predict(table.features, table.y))
    refined = RefinedProbe(zero_shot, probe).fit(table)
    return Answers(refined.answer(table), refined)


def fitted_rows(table: FeatureTable, settings: FitSettings) -> NDArray[np.bool_]:
    """Return which rows complete settings fit on, shape ``(N,)``."""
    return np.isin(table.split, str(settings.fit_on).split("+"))


def make_groups(
    table: FeatureTable,
    method: str | FitSettings = "dpt",
    given: Groups | None = None,
    *,
    attributes: Sequence[Attribute | str] = (),
    backbone: Backbone | None = None,
) -> Groups:
    """Return the groups of all rows that a method fits with.

    Parameters
    ----------
    table : FeatureTable
        N rows.
    method : str or FitSettings
        The method, or all settings of the fit.
    given : Groups, optional
        Groups of all rows that are already made: annotated, or of a probe's answers. A method that is defined by other
        groups refuses them. Those of a method that infers groups are split further.
    attributes : sequence of Attribute or str
        What to ask the method's probe about, if no groups are given; ``"background=land:water"`` will do.
    backbone : Backbone, optional
        The model that made the features, to be asked.

    Returns
    -------
    Groups
        ``origin`` says what made them, ``facts["inferred"]`` what was inferred.

    Raises
    ------
    UsageError
        If the method needs an attribute and has none, or is defined by other groups than those given.

    Examples
    --------
    >>> groups = make_groups(table, "anchored", attributes=["place=land:water"], backbone=backbone)  # doctest: +SKIP
    >>> groups.origin                                                                               # doctest: +SKIP
    'anchored+inferred'
    """
    settings = complete(FitSettings(method=method) if isinstance(method, str) else method)
    of = require_chosen(settings)
    if attributes:
        if given is not None or not of.asks_attribute:
            why = "groups are given" if given is not None else f"the method {settings.method!r} asks for none"
            raise UsageError(f"attributes change nothing: {why}; leave them out")
        if backbone is None:
            raise UsageError(
                f"an attribute in words needs the model that made the features of {table.name}; give backbone"
            )
        words = [Attribute.parse(one) if isinstance(one, str) else one for one in attributes]
        answers = ask(backbone, table, words, getattr(settings, "probe", None) or of.probe)
        given = Groups.pseudo(table.y, table.class_names, answers.attributes)
    rows = fitted_rows(table, settings)
    groups = _first(of, settings, table, rows) if given is None else _require_fitting(of, settings, table, given)
    if not settings.infer_groups or groups.source == "true" or is_inferred(groups):
        return groups
    groups.rows(rows).warn_if_small(soft=bool(settings.soft))
    split, facts = infer_groups(table, groups, splits=str(settings.fit_on).split("+"))
    return replace(split, facts={**groups.facts, "inferred": facts})


def is_inferred(groups: Groups) -> bool:
    """Return whether values were inferred from the images already, or that was tried in vain."""
    return INFERRED in groups.origin.split("+") or "inferred" in groups.facts


def _first(method: Method, settings: FitSettings, table: FeatureTable, rows: NDArray[np.bool_]) -> Groups:
    """Return the groups of a method that needs none to begin with."""
    if callable(method.groups):
        made = method.groups(table, rows)
        if not isinstance(made, Groups):
            raise UsageError(f"the groups of the method {settings.method!r} are a {type(made).__name__}; return Groups")
        _require_length(made, table)
        return replace(made, origin=settings.method)
    if method.asks_attribute:
        raise UsageError(
            f"the method {settings.method!r} needs groups; give them: fit(table, Groups.pseudo(...)), "
            "or take method='erm'"
        )
    return Groups.by_class(table.y, table.class_names)


def _require_fitting(method: Method, settings: FitSettings, table: FeatureTable, given: Groups) -> Groups:
    """Return groups that were made before, if they are of the kind that defines the method."""
    _require_length(given, table)
    origins = given.origin.split("+")
    if method.infer_groups and not settings.infer_groups and INFERRED in origins:
        raise UsageError("infer_groups is False, but the groups given are split by inferred values; give others")
    if not method.uses_groups or (method.asks_attribute and "probe" not in method.fixed):
        return given
    if method.asks_attribute:
        if given.origin == ANNOTATION or {method.probe} == {*origins} - {INFERRED}:
            return given
        wanted = f"groups of the {method.probe!r} probe, or annotated ones"
        advice = f"make_groups(table, {settings.method!r}, attributes=[...], backbone=backbone)"
    else:
        own = settings.method if callable(method.groups) else INFERRED
        if own in origins or (given.source == "class" and not callable(method.groups)):
            return given
        wanted, advice = "groups that it makes itself", "fit(table) without groups"
    seen = f"{given.origin!r}" if given.origin else "unknown"
    raise UsageError(
        f"the method {settings.method!r} is defined by {wanted}; the origin of these is {seen}: use {advice}, "
        "or take method='balanced'"
    )


def _require_length(groups: Groups, table: FeatureTable) -> None:
    if len(groups) != len(table):
        raise UsageError(f"{len(groups)} groups for {len(table)} rows; give the groups of all rows")
