"""The shortcut found without its name: errors of a cross-fitted head, and the attributes that the errors carry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from debias_pt.discovery.embedding import Array
from debias_pt.discovery.evidence import explain
from debias_pt.discovery.finding import Discovery, Finding
from debias_pt.discovery.fit import fits, not_seen
from debias_pt.discovery.head_errors import HeadErrors, head_errors
from debias_pt.discovery.poles import Poles, beyond, find_poles
from debias_pt.discovery.reading import ReadAttribute, Reading, read_by
from debias_pt.discovery.stability import found_again
from debias_pt.discovery.unnamed import unnamed_directions
from debias_pt.discovery.words import Vocabulary, built_in
from debias_pt.features.table import FeatureTable
from debias_pt.groups.guard import VISIBLE
from debias_pt.groups.refinement.mixture import RefinementError
from debias_pt.groups.visibility import EverydayWords
from debias_pt.models.backbone import Backbone

EFFECT, CONTRAST = 0.4, 0.6  # standard deviations
EXPLAINED = 0.1  # lower end of the interval of the errors explained
ENOUGH_ERRORS = 8
AGAIN = 0.8  # share of resamples
MOST = 5  # attributes named
SHOWN = 20  # others told of

DIVIDES = "something divides these images; no word fits"


def find_attributes(
    table: FeatureTable, backbone: Backbone | None = None, vocabulary: Vocabulary | None = None
) -> Discovery:
    """Look for attributes that a head leans on, from training features and class labels.

    An attribute is named only if the head's errors carry it, this model sees it in the images, no words of another
    meaning fit better, and it is found again in resampled images.

    Parameters
    ----------
    table : FeatureTable
        With ``train`` rows; no other row and no attribute label is looked at.
    backbone : Backbone, optional
        The model that made the features. Without it there are no words, only directions without a name.
    vocabulary : Vocabulary, optional
        The attributes to try; default those of the package.

    Returns
    -------
    Discovery
        Perhaps with nothing named.

    Raises
    ------
    UsageError
        If there are no training rows.

    Examples
    --------
    >>> find_attributes(table, backbone).attributes                # doctest: +SKIP
    (Attribute(name='background', ...),)
    """
    train = table.where("train")
    try:
        errors = head_errors(train.features, train.y, len(train.class_names))
    except RefinementError as error:
        return Discovery((), (), (), train.class_names, len(train), 0, {}, str(error))
    wrong = int((errors.predicted != train.y).sum())
    if backbone is None:
        unnamed = unnamed_directions(train.features, train.y, errors)
        reason = "without a text tower there are no words to name an attribute with"
        return Discovery((), (), tuple(unnamed), train.class_names, len(train), wrong, {}, reason)
    reading = read_by(backbone, vocabulary or built_in(), train.class_names, train.template)
    return name_attributes(train, errors, reading, EverydayWords(backbone))


def name_attributes(
    train: FeatureTable, errors: HeadErrors, reading: Reading, everyday: EverydayWords | None = None
) -> Discovery:
    """Name what passes every rule, given a head's errors and a vocabulary that is read.

    Parameters
    ----------
    train : FeatureTable
        Training rows.
    errors : HeadErrors
    reading : Reading
    everyday : EverydayWords, optional
        To judge by the guard's numbers as well.
    """
    x, wrong = train.features.astype(np.float64), int((errors.predicted != train.y).sum())
    found: list[tuple[Finding, Poles]] = []
    others: list[Finding] = []
    for whole, poles in _strong(reading, errors):
        one = _judged(whole, poles, reading, x, train, errors, found, everyday)
        if one.missing or len(found) == MOST:
            others.append(one)
        else:
            found.append((one, poles))
    unnamed = unnamed_directions(train.features, train.y, errors, [poles for _, poles in found])
    return Discovery(
        tuple(one for one, _ in found),
        tuple(others[:SHOWN]),
        tuple(unnamed),
        train.class_names,
        len(train),
        wrong,
        reading.facts,
        "" if found else _why_nothing(wrong, others, bool(unnamed)),
    )


def _strong(reading: Reading, errors: HeadErrors) -> list[tuple[ReadAttribute, Poles]]:
    """Return the attributes that errors carry and classes differ in, the strongest first."""
    tried = ((whole, find_poles(whole, reading, errors)) for whole in reading.attributes)
    kept = [
        (whole, poles)
        for whole, poles in tried
        if poles is not None and poles.effect >= EFFECT and poles.contrast >= CONTRAST
    ]
    return sorted(kept, key=lambda pair: -pair[1].score)


def _judged(
    whole: ReadAttribute,
    poles: Poles,
    reading: Reading,
    x: Array,
    train: FeatureTable,
    errors: HeadErrors,
    found: Sequence[tuple[Finding, Poles]],
    everyday: EverydayWords | None,
) -> Finding:
    """Return an attribute with the rules that it breaks; what costs most is asked last, and only of the others."""
    y = train.y
    scores = poles.answers(x, y)
    values, best = scores.argmax(axis=1), np.sort(scores, axis=1)
    evidence = explain(values, y, errors.predicted != y, len(train.class_names), scores.shape[1])
    fit = fits(poles, reading, x, y, errors)
    attribute = poles.read.attribute
    one = Finding(attribute, poles.effect, poles.contrast, fit, evidence, values, best[:, -1] - best[:, -2])
    missing = not_seen(fit)
    if evidence.errors.sum() < ENOUGH_ERRORS or evidence.interval[0] < EXPLAINED:
        missing.append("it explains too few errors")
    effect, contrast = beyond(poles, [one for _, one in found], errors)
    if effect < EFFECT or contrast < CONTRAST:
        missing.append("it divides the images as another does: " + ", ".join(one.attribute.name for one, _ in found))
    if not missing and everyday is not None and everyday.compare(attribute, x, y).lowest < VISIBLE:
        missing.append("everyday words do nearly as well")
    if missing:
        return replace(one, missing=tuple(missing))
    again = found_again(whole, poles, reading, x, y, errors)
    return replace(one, again=again, missing=() if again >= AGAIN else ("resampled images do not show it again",))


def _why_nothing(errors: int, others: Sequence[Finding], unnamed: bool) -> str:
    if errors < ENOUGH_ERRORS:
        return f"the heads make {errors} errors on images they did not see; {ENOUGH_ERRORS} are needed to explain any"
    if unnamed:
        return DIVIDES
    if not others:
        return "no attribute of the vocabulary goes with the errors"
    return "of the attributes that go with the errors none is seen in these images beyond doubt"
