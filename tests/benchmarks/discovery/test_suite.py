"""Promises: true words are in the vocabulary, all rankings score all words, figures equal plain counting."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from debias_pt.benchmarks.discovery.case import DiscoveryCase
from debias_pt.benchmarks.discovery.rankings import RANKINGS
from debias_pt.benchmarks.discovery.suite import agreement_with, figures
from debias_pt.benchmarks.discovery.true_words import TRUE_WORDS, listed
from debias_pt.datasets.attributes import Attribute, TrueAttribute
from debias_pt.discovery import Finding
from debias_pt.discovery.evidence import explain
from debias_pt.discovery.head_errors import head_errors
from debias_pt.discovery.words import everyday_words
from tests.discovery.planted import WORDS, planted_table, planted_words


@pytest.mark.parametrize("name", TRUE_WORDS)
def test_true_words_are_words_of_the_vocabulary(name: str) -> None:
    true = TRUE_WORDS[name]
    every = [word for text in true.values.values() for word in listed(text)]
    assert set(every) <= set(everyday_words())
    assert len(set(every)) == len(every)  # no word of two values
    assert not set(every) & set(listed(true.hyponyms))


@pytest.fixture(scope="module")
def case() -> DiscoveryCase:
    table = planted_table()
    place = TrueAttribute(("land", "water"), (table.features[:, 1] > 0).astype(np.int64))
    table = replace(table, attributes={"place": place})
    return DiscoveryCase(table, list(WORDS), *planted_words(), head_errors(table.features, table.y, 2))


@pytest.mark.parametrize("ranking", RANKINGS, ids=lambda one: one.name)
def test_every_ranking_finds_the_planted_words(case: DiscoveryCase, ranking: object) -> None:
    scores = ranking.score(case)  # type: ignore[attr-defined]
    assert scores.shape == (len(WORDS),)
    assert np.isfinite(scores).all()
    found = figures(scores, np.array([not word.startswith("noise") for word in WORDS]), list(WORDS))
    assert found["rank"] <= 3
    assert found["auroc"] > 0.8


def test_figures_by_plain_counting() -> None:
    rng = np.random.default_rng(0)
    scores, true = rng.normal(size=40), rng.random(40) < 0.3
    found = figures(scores, true, [str(i) for i in range(40)])
    pairs = [scores[i] > scores[j] for i in range(40) for j in range(40) if true[i] and not true[j]]
    assert found["auroc"] == pytest.approx(np.mean(pairs))
    best = sorted(range(40), key=lambda i: -scores[i])[:10]
    assert found["precision_at_10"] == pytest.approx(sum(true[i] for i in best) / 10)
    assert found["first"] == [str(i) for i in best]


def test_agreement_takes_the_best_naming() -> None:
    y, truth = np.repeat([0, 1], 50), np.tile([0, 1], 50)
    evidence = explain(1 - truth, y, np.zeros(100, dtype=bool), 2, 2)
    finding = Finding(Attribute("a", {"x": ("x",), "y": ("y",)}), 1.0, 1.0, (), evidence, 1 - truth, np.ones(100))
    assert agreement_with(finding, y, TrueAttribute(("u", "v"), truth)) == 1.0
