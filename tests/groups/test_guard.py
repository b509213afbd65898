"""Promises: visibility is a plain comparison with draws of everyday words; the verdict follows from numbers by stated
rules; nonsense is refused, real words are not; nothing of the attribute's annotation is read."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from debias_pt.datasets.attributes import Attribute
from debias_pt.features.table import FeatureTable
from debias_pt.groups.everyday_words import EVERYDAY_WORDS
from debias_pt.groups.guard import guard, judge, measure, sizes
from debias_pt.groups.probe import AttributeProbe
from debias_pt.groups.refinement.biased_head import fit_biased_head
from debias_pt.groups.verdict import ORDER, overall
from debias_pt.groups.visibility import Visibility, visibility
from debias_pt.models.backbone import Backbone

PLACE = Attribute("background", {"land": ("forest",), "water": ("lake",)})
GOOD: dict[str, Any] = {
    "variation": 0.95,
    "match": 0.95,
    "score_separation": 2.0,
    "words_in_logits": 1.0,
    "confirmed": False,
    "small_groups": [20.0, 12.0],
}


def unit(x: np.ndarray) -> np.ndarray:
    return np.asarray(x / np.linalg.norm(x, axis=-1, keepdims=True))


def test_visibility_in_plain_loops() -> None:
    rng = np.random.default_rng(0)
    features, words, values = (unit(rng.normal(size=(n, 8))) for n in (30, 20, 2))
    y = np.arange(30) % 3

    def variation(pair: np.ndarray) -> float:
        apart = pair[0] - pair[1]
        along = [
            float((features[i] - np.mean([features[j] for j in range(30) if y[j] == y[i]], axis=0)) @ apart) ** 2
            for i in range(30)
        ]
        return float(np.mean(along) / (apart @ apart))

    def match(pair: np.ndarray) -> float:
        shares = []
        for image in features:
            best = max(float(image @ value) for value in pair)
            shares.append(sum(float(image @ word) < best for word in words))
        return float(np.mean(shares))

    draws = np.random.default_rng(0)
    pairs = [words[draws.choice(20, 2, replace=False)] for _ in range(15)]
    expected = Visibility(
        float(np.mean([variation(pair) < variation(values) for pair in pairs])),
        float(np.mean([match(pair) < match(values) for pair in pairs])),
    )
    assert visibility(values, words, features, y, draws=15) == expected


def test_what_the_images_vary_in_is_visible_and_what_they_do_not_is_not() -> None:
    rng = np.random.default_rng(1)
    y, a = rng.integers(0, 2, (2, 300))
    basis = np.eye(40)
    features = unit(
        rng.normal(0, 0.1, (300, 40)) + basis[0] * y[:, None] + np.where(a[:, None] == 1, basis[1], basis[2])
    )
    words = unit(rng.normal(size=(60, 40)))
    assert visibility(basis[1:3], words, features, y).lowest > 0.95
    assert visibility(basis[30:32], words, features, y).lowest < 0.75


def test_everyday_words_are_distinct_and_many() -> None:
    assert len(set(EVERYDAY_WORDS)) == len(EVERYDAY_WORDS) > 100
    assert all(word == word.strip() and word for word in EVERYDAY_WORDS)


@pytest.mark.parametrize(
    ("changed", "verdict", "reason"),
    [
        ({}, "usable", None),
        ({"match": 0.5}, "not usable", "hardly sees it"),
        ({"variation": 0.7, "confirmed": True}, "usable", None),
        ({"variation": 0.5, "confirmed": True}, "not usable", "hardly sees it"),
        ({"variation": 0.8}, "doubtful", "everyday words do nearly as well"),
        ({"words_in_logits": 0.1}, "doubtful", "biased head learned shows little"),
        ({"words_in_logits": 0.1, "confirmed": True}, "usable", None),
        ({"small_groups": [0.2, 3.0]}, "not usable", "coincide"),
        ({"no_humps": "one hump"}, "not usable", "cannot be told apart: one hump"),
    ],
)
def test_rules(changed: dict[str, Any], verdict: str, reason: str | None) -> None:
    found = judge({**GOOD, **changed})
    assert found.verdict == verdict
    assert (reason is None) == (not found.reasons)
    assert reason is None or reason in found.reasons[0]
    assert found.to_dict()["numbers"]["match"] == {**GOOD, **changed}["match"]


@given(st.lists(st.sampled_from(ORDER), min_size=1, max_size=4))
def test_the_worst_verdict_counts(verdicts: list[str]) -> None:
    several = {str(i): dataclasses.replace(judge(GOOD), verdict=verdict) for i, verdict in enumerate(verdicts)}
    assert ORDER.index(overall(several)) == max(map(ORDER.index, verdicts))


def test_small_groups_are_all_but_the_usual_value() -> None:
    answers = np.array([[0.9, 0.1, 0.0], [0.7, 0.1, 0.2], [0.0, 0.0, 1.0]])
    assert sizes(answers, np.array([0, 0, 1]))["small_groups"] == [0.4, 0.0]


def test_coinciding_values_and_classes_are_refused() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    x = rng.normal(size=(200, 6)) + 2.0 * y[:, None]
    scores = 6.0 * np.eye(2)[y] + rng.normal(size=(200, 2))
    numbers = {"variation": 0.99, "match": 0.99, **measure(fit_biased_head(x, y, 2), scores, y)}
    assert judge(numbers).verdict == "not usable"
    assert "coincide" in judge(numbers).reasons[0]


def test_no_annotation_is_read(backbone: Backbone, table: FeatureTable) -> None:
    probe = AttributeProbe(backbone, [PLACE])
    blind = dataclasses.replace(table, attributes={})
    assert guard(backbone, table, [PLACE], probe) == guard(backbone, blind, [PLACE], probe)
