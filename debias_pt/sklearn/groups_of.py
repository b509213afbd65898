"""Which groups an estimator fits with: given ones, words that a model is asked about, found words, or inferred ones."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from debias_pt.datasets.attributes import Attribute, TrueAttribute
from debias_pt.discovery import find_attributes
from debias_pt.errors import DebiasWarning, UsageError
from debias_pt.features.table import FeatureTable, table_from_arrays
from debias_pt.groups.groups import Groups
from debias_pt.groups.guard import guard
from debias_pt.groups.inferred_groups import Inferred, infer_groups, infer_values
from debias_pt.groups.probe import AttributeProbe
from debias_pt.groups.verdict import NOT_USABLE, Verdict, overall
from debias_pt.methods import METHODS
from debias_pt.methods.base import Evidence
from debias_pt.methods.grouping import ask, make_groups
from debias_pt.models.backbone import Backbone
from debias_pt.settings import FitSettings
from debias_pt.sklearn.base import values_of
from debias_pt.utils.registry import lookup

AUTO, INFER = "auto", "infer"
Asked = str | Attribute | Sequence[str] | Sequence[Attribute] | ArrayLike | None


@dataclass(frozen=True)
class FoundGroups:
    """Groups of the training rows.

    Parameters
    ----------
    groups : Groups
    method : str
        The method to fit with.
    source : {"given", "words", "found", "inferred", "classes"}
        Where they come from.
    facts : dict
        Plain JSON: ``attributes`` asked about, the guard's ``verdict``, what was ``inferred``, a ``reason``.
    """

    groups: Groups
    method: str
    source: str
    facts: dict[str, Any] = field(default_factory=dict)


def find_groups(asked: Asked, method: str, table: FeatureTable, backbone: Backbone | None) -> FoundGroups:
    """Return the groups that an ``attribute`` stands for.

    Parameters
    ----------
    asked : str, Attribute, a sequence of such, array or None
        See :class:`~debias_pt.sklearn.DebiasedClassifier`.
    method : str
        A method, such as ``"auto"``.
    table : FeatureTable
        The training rows.
    backbone : Backbone, optional
        The model that made the features; words need it.

    Raises
    ------
    UsageError
        If words are given and no model, or an attribute cannot be read.
    """
    of = lookup(METHODS, method, "method")
    inferring = asked is None or (isinstance(asked, str) and asked == INFER)
    if of.choose is None and not of.asks_attribute:
        if not inferring and of.uses_groups:
            raise UsageError(f"the method {method!r} makes its own groups; leave attribute out, or take another method")
        if not inferring:
            _warn(f"the method {method!r} looks at no groups: the attribute is not used")
        return _made(table, method, "inferred" if of.uses_groups else "classes")
    if inferring:
        return _inferred(table, method)
    if not is_words(asked, len(table)):
        columns = [TrueAttribute(*column) for column in values_of(asked, len(table))]  # type: ignore[arg-type]
        name = method if of.choose is None else of.choose(Evidence(annotated=True)).method
        return _made(table, name, "given", Groups.true(table.y, table.class_names, columns))
    if backbone is None:
        raise UsageError(f"attribute is {asked!r}: words need the model that made the features; give backbone=...")
    if isinstance(asked, str) and asked == AUTO:
        return _found(table, method, backbone)
    return _by_words(table, method, backbone, attributes_of(asked))


def is_words(asked: Asked, rows: int) -> bool:
    """Tell whether an attribute is given in words rather than by its value for each of so many rows."""
    if isinstance(asked, str | Attribute):
        return True
    several = isinstance(asked, list | tuple) and 0 < len(asked) != rows
    return several and all(isinstance(one, Attribute) or (isinstance(one, str) and "=" in one) for one in asked)  # type: ignore[union-attr]


def attributes_of(asked: Any) -> list[Attribute]:
    """Return attributes given as such or as ``name=value:value``."""
    every = [asked] if isinstance(asked, str | Attribute) else list(asked)
    return [one if isinstance(one, Attribute) else Attribute.parse(one) for one in every]


def _made(
    table: FeatureTable,
    method: str,
    source: str,
    given: Groups | None = None,
    facts: dict[str, Any] | None = None,
    *,
    infer: bool | None = None,
    inferred: Inferred | None = None,
) -> FoundGroups:
    """Return the groups of a method, made as everywhere; on training rows, which is all that an estimator has."""
    if given is not None and given.source == "true":
        infer = False
    settings = FitSettings(method=method, fit_on="train", infer_groups=infer)
    groups = make_groups(table, settings, given, inferred=inferred)
    told = {"inferred": groups.facts["inferred"]} if "inferred" in groups.facts else {}
    if source == "inferred" and told and not told["inferred"]["used"]:
        source = "classes"
    return FoundGroups(groups, method, source, {**(facts or {}), **told})


def _inferred(table: FeatureTable, method: str, facts: dict[str, Any] | None = None) -> FoundGroups:
    """Return inferred groups; a method that asks for an attribute only weighs them, if its name allows that."""
    choose = METHODS[method].choose
    if choose is not None:
        inferred = infer_values(table)
        choice = choose(Evidence(inferred=inferred.verdict))
        source = "inferred" if METHODS[choice.method].uses_groups else "classes"
        told = {**(facts or {}), "why": choice.why}
        if source == "classes":
            _warn(f"{choice.method} is fitted: {choice.why}")
        return _made(table, choice.method, source, facts=told, inferred=inferred)
    if "probe" in METHODS[method].fixed:
        raise UsageError(
            f"the method {method!r} asks the {METHODS[method].probe} probe; give attribute='name=value:value' and "
            "backbone=..., or take method='inferred'"
        )
    groups, told = infer_groups(table)
    groups = make_groups(table, FitSettings(method=method, fit_on="train", infer_groups=False), groups)
    return FoundGroups(groups, method, "inferred" if told["used"] else "classes", {**(facts or {}), "inferred": told})


def _found(table: FeatureTable, method: str, backbone: Backbone) -> FoundGroups:
    """Fit with the first attribute found that the guard supports, else with inferred groups."""
    found = find_attributes(table, backbone)
    attributes = list(found.attributes)
    verdicts = guard(backbone, table, attributes, AttributeProbe(backbone, attributes)) if attributes else {}
    for one in attributes:
        if verdicts[one.name].verdict != NOT_USABLE:
            by_words = _by_words(table, method, backbone, [one], {one.name: verdicts[one.name]})
            facts = {**by_words.facts, "verdict": verdicts[one.name].verdict}
            return FoundGroups(by_words.groups, by_words.method, "found", facts)
    reason = found.reason or "the guard supports none of: " + ", ".join(one.name for one in attributes)
    _warn(f"no attribute in words is used, groups are inferred from the images: {reason}")
    return _inferred(table, method, {"reason": reason})


def _by_words(
    table: FeatureTable,
    method: str,
    backbone: Backbone,
    attributes: list[Attribute],
    verdicts: Mapping[str, Verdict] | None = None,
) -> FoundGroups:
    facts: dict[str, Any] = {"attributes": [one.describe() for one in attributes]}
    infer, inferred = None, None
    choose = METHODS[method].choose
    if choose is not None:
        if verdicts is None:
            verdicts = guard(backbone, table, attributes, AttributeProbe(backbone, attributes, table.class_names))
        facts["verdict"] = overall(verdicts)
        inferred = infer_values(table)
        choice = choose(Evidence(verdicts, inferred.verdict))
        method, infer, facts["why"] = choice.method, choice.parts.get("infer_groups"), choice.why
        if not METHODS[method].asks_attribute:
            _warn(f"the words are not used, {method} is: {choice.why}")
            source = "inferred" if METHODS[method].uses_groups else "classes"
            return _made(table, method, source, facts={**facts, "reason": choice.why}, inferred=inferred)
    answers = ask(backbone, table, attributes, METHODS[method].probe)
    given = Groups.pseudo(table.y, table.class_names, answers.attributes)
    return _made(table, method, "words", given, facts, infer=infer, inferred=inferred)


def _warn(message: str) -> None:
    warnings.warn(message, DebiasWarning, stacklevel=4)


def infer_attribute(X: ArrayLike, y: ArrayLike) -> NDArray[np.str_]:
    """Infer an attribute from image features and class labels, for scorers and for fitting where nothing is annotated.

    Parameters
    ----------
    X : array, shape (N, D)
        Image features; rows are scaled to length 1.
    y : array, shape (N,)
        Classes.

    Returns
    -------
    ndarray of str, shape (N,)
        ``"like waterbird"``: the class that an image looks like to a biased head. ``"all"`` for each row, with a
        warning, if the data do not support any.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["cat", "dog"], 100)
    >>> cue = np.where(np.arange(200) % 10 == 0, np.roll(y, 100), y)
    >>> X = np.stack([y == "dog", 6 * (cue == "dog"), np.full(200, 2)], axis=1) + 0.3 * rng.normal(size=(200, 3))
    >>> found = infer_attribute(X, y)
    >>> float(np.mean(found == np.char.add("like ", cue)))
    1.0
    """
    classes, labels = np.unique(np.asarray(y), return_inverse=True)
    table = table_from_arrays(X, labels, [str(name) for name in classes.tolist()], split="train")
    groups, facts = infer_groups(table)
    if not facts["used"]:
        return np.full(len(table), "all")
    return np.array(groups.attribute_names)[groups.attribute]
