"""Before fitting: may groups be built on what the words say? From unlabelled evidence only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.datasets.attributes import Attribute
from debias_pt.features.table import FeatureTable
from debias_pt.groups.association import association
from debias_pt.groups.probe import AttributeProbe
from debias_pt.groups.refinement.biased_head import BiasedHead, biased_head_of
from debias_pt.groups.refinement.calibration import contrasts
from debias_pt.groups.refinement.confirmation import confirm, posterior
from debias_pt.groups.refinement.mixture import Array, RefinementError
from debias_pt.groups.refinement.pooling import calibrate_apart
from debias_pt.groups.verdict import DOUBTFUL, NOT_USABLE, USABLE, Verdict
from debias_pt.groups.visibility import ENOUGH_WORDS, EverydayWords
from debias_pt.models.backbone import Backbone

VISIBLE, HARDLY_VISIBLE = 0.85, 0.75  # share of draws of everyday words that do worse
HARDLY_MATCHED = 0.65  # the same, of how well the words fit the images
TOGETHER = 0.5  # association of the answers with the classes
IF_CONFIRMED = 0.6  # the same, where a biased head sees the very values that the words name
IN_LOGITS = 0.35  # standard deviations of a biased head's logits between the values
FEW = 5.0  # expected images of a small group
ENOUGH_ROWS = 20_000  # of a larger training split, as many drawn at random


def guard(
    backbone: Backbone, table: FeatureTable, attributes: Sequence[Attribute], probe: AttributeProbe
) -> dict[str, Verdict]:
    """Judge every attribute on the training images; no attribute label is read.

    Parameters
    ----------
    backbone : Backbone
        The frozen model.
    table : FeatureTable
        With ``train`` rows.
    attributes : sequence of Attribute
        What is asked.
    probe : AttributeProbe
        Who asks it.

    Returns
    -------
    dict of str to Verdict
        By attribute.

    Examples
    --------
    >>> guard(backbone, table, [place], AttributeProbe(backbone, [place]))["place"].verdict  # doctest: +SKIP
    'usable'
    """
    train, everyday = table.where("train"), EverydayWords(backbone)
    if len(train) > ENOUGH_ROWS:
        train = train.rows(np.sort(np.random.default_rng(0).choice(len(train), ENOUGH_ROWS, replace=False)))
    of_all = probe.scores(train.features, train.y)
    head = biased_head_of(train)
    found = {}
    for attribute, scores in zip(attributes, of_all, strict=True):
        numbers: dict[str, Any] = {"everyday_words": len(everyday.weights)}
        if len(everyday.weights) >= ENOUGH_WORDS:
            seen = everyday.compare(attribute, train.features, train.y)
            numbers = {"variation": seen.variation, "match": seen.match}
        numbers |= measure(head, scores.astype(np.float64), train.y)
        found[attribute.name] = judge(numbers)
    return found


def measure(head: BiasedHead | None, scores: Array, y: NDArray[np.int64]) -> dict[str, Any]:
    """Return the numbers that rest on the images: see :func:`judge`."""
    classes = int(y.max()) + 1
    try:
        calibration = calibrate_apart(scores, y, classes)
    except RefinementError as error:
        return {"no_humps": str(error)}
    numbers: dict[str, Any] = {"score_separation": calibration.separation}
    words = posterior(calibration.log_likelihood(contrasts(scores), y), calibration.prior, y)
    if head is None:
        return numbers | sizes(words, y)
    try:
        evidence = confirm(head, scores, y, calibration)
    except RefinementError:
        return numbers | sizes(words, y)
    return numbers | evidence.facts | sizes(posterior(evidence.training, evidence.prior, y), y)


def sizes(answers: Array, y: NDArray[np.int64]) -> dict[str, Any]:
    """Return how many images of each class are expected outside its most frequent value, and the association.

    Examples
    --------
    >>> sizes(np.array([[1.0, 0.0], [0.75, 0.25], [0.0, 1.0]]), np.array([0, 0, 1]))
    {'small_groups': [0.25, 0.0], 'association': 0.875}
    """
    expected = np.stack([answers[y == k].sum(axis=0) for k in range(int(y.max()) + 1)])
    small = [round(float(row.sum() - row.max()), 2) for row in expected]
    return {"small_groups": small, "association": association(expected)}


def judge(numbers: dict[str, Any]) -> Verdict:
    """Turn numbers into a verdict.

    Parameters
    ----------
    numbers : dict
        ``variation`` and ``match``: shares of everyday words that do worse, see
        :class:`~debias_pt.groups.visibility.Visibility`; or ``everyday_words``, how many there are where they are too
        few to compare with. ``no_humps``: why the scores could not be calibrated, if so. ``small_groups``: expected
        images of each class outside its usual value. ``association``: how far values and classes go together, see
        :func:`~debias_pt.groups.association.association`. ``words_in_logits``,
        ``confirmed``: see :func:`~debias_pt.groups.refinement.confirmation.confirm`.

    Examples
    --------
    >>> judge({"variation": 0.98, "match": 0.4, "small_groups": [30.0, 40.0]}).verdict
    'not usable'
    """
    refused, doubts = _refusals(numbers), _doubts(numbers)
    if refused:
        advice = "take other words, or --method auto, which falls back; look at debias-pt probe --csv"
        return Verdict(NOT_USABLE, tuple(refused), advice, numbers)
    if doubts:
        advice = "compare with --method class-balanced, and look at the small groups in debias-pt probe --csv"
        return Verdict(DOUBTFUL, tuple(doubts), advice, numbers)
    return Verdict(USABLE, (), "--method anchored", numbers)


def _visible(numbers: dict[str, Any]) -> float:
    return min(float(numbers["variation"]), float(numbers["match"]))


def _refusals(numbers: dict[str, Any]) -> list[str]:
    found = []
    needed = IF_CONFIRMED if numbers.get("confirmed") else HARDLY_VISIBLE
    matched = min(needed, HARDLY_MATCHED)
    if "everyday_words" not in numbers and (numbers["variation"] < needed or numbers["match"] < matched):
        found.append(
            f"the model hardly sees it: along these words images vary more than along {numbers['variation']:.0%} of "
            f"everyday words ({needed:.0%} needed), and match them better than {numbers['match']:.0%} ({matched:.0%})"
        )
    if "no_humps" in numbers:
        found.append(f"the answers cannot be told apart: {numbers['no_humps']}")
    elif max(numbers["small_groups"]) < FEW:
        found.append(
            "values and classes coincide: no class has five images of another value than its usual one, so "
            "nothing tells one from the other"
        )
    elif numbers.get("association", 1.0) < TOGETHER:
        found.append(
            f"the answers hardly go with the classes (association {numbers['association']:.2f}, {TOGETHER} needed): "
            "the attribute is no shortcut here, or the words name something else"
        )
    return found


def _doubts(numbers: dict[str, Any]) -> list[str]:
    found = []
    if "everyday_words" in numbers:
        found.append(
            f"whether the model sees it is not known: {numbers['everyday_words']} words came with the features, "
            f"{ENOUGH_WORDS} are needed to compare with"
        )
    elif _visible(numbers) < VISIBLE and not numbers.get("confirmed"):
        found.append("everyday words do nearly as well")
    if numbers.get("words_in_logits", IN_LOGITS) < IN_LOGITS and not numbers.get("confirmed"):
        found.append(
            f"what a biased head learned shows little of it ({numbers['words_in_logits']:.2f} standard deviations): "
            "the attribute is no shortcut here, or the words name something else"
        )
    return found
