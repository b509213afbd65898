"""Promises: what is planted is named; what no word names is shown and not named; noise is nothing; names are stable."""

from __future__ import annotations

import numpy as np
import pytest

from debias_pt.discovery import Discovery
from debias_pt.discovery.discover import AGAIN, DIVIDES, name_attributes
from debias_pt.discovery.fit import NEIGHBOR, ValueFit, fits, not_seen
from debias_pt.discovery.head_errors import HeadErrors, head_errors
from debias_pt.discovery.poles import differences, find_poles
from debias_pt.discovery.reading import Reading
from debias_pt.discovery.stability import found_again
from debias_pt.discovery.unnamed import unnamed_directions
from debias_pt.features.table import FeatureTable
from debias_pt.workflows.discovery.contact_sheet import sides
from tests.discovery.planted import planted_reading, planted_table

PLACE = "place=lake|sea:forest|wood"
OTHERS = (
    "tone=dim|murky:bright|shining",
    "size=tiny|minute:giant|gigantic",
    "age=ancient|antique:modern|recent",
    "shape=bent|crooked:straight|upright",
)


def named(table: FeatureTable, reading: Reading) -> Discovery:
    return name_attributes(table, head_errors(table.features, table.y, 2), reading)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_planted_is_named_and_nothing_else(seed: int) -> None:
    table = planted_table(seed=seed)
    found = named(table, planted_reading(PLACE, *OTHERS, seed=seed + 1))
    assert [one.attribute.name for one in found.findings] == ["place"]
    (place,) = found.findings
    assert not place.missing
    assert place.again is not None
    assert place.again >= AGAIN
    assert (place.value_of == (table.features[:, 1] < 0)).mean() > 0.95
    assert not found.reason


@pytest.mark.parametrize("seed", range(3))
def test_what_no_word_names_is_shown_without_a_name(seed: int) -> None:
    table = planted_table(seed=seed, spread=True)
    found = named(table, planted_reading(*OTHERS, seed=seed + 1))
    assert not found.findings
    assert found.reason == DIVIDES
    place = dict(zip(table.ids, table.features[:, 1] > 0, strict=True))
    for one in found.unnamed:
        rows = sides(one, table, table.class_names)
        assert [row["label"] for row in rows] == [table.class_names[k] for k in (one.true, one.predicted)] * 2
        of_side = [[place[name] for row in half for name in row["images"]] for half in (rows[:2], rows[2:])]
        assert np.mean(of_side[0]) == pytest.approx(one.predicted, abs=0.35)  # class 1 goes with place 1
        assert np.mean(of_side[1]) == pytest.approx(one.true, abs=0.35)


def test_a_name_takes_the_direction() -> None:
    table = planted_table(spread=True)
    errors = head_errors(table.features, table.y, 2)
    reading = planted_reading(PLACE)
    poles = find_poles(reading.attributes[0], reading, errors)
    assert poles is not None
    assert unnamed_directions(table.features, table.y, errors)
    assert not unnamed_directions(table.features, table.y, errors, [poles])


@pytest.mark.parametrize("seed", range(8))
def test_noise_is_nothing(seed: int) -> None:
    """Two classes that are hard to tell apart, and a vocabulary in which no word means anything."""
    rng = np.random.default_rng(seed)
    y = np.repeat([0, 1], 300)
    x = rng.normal(0, 0.5, (600, 32))
    x[:, 0] += 0.3 * (2 * y - 1)
    x[:, -1] += 4
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    names = tuple(f"i{i}" for i in range(600))
    table = FeatureTable(names, x.astype(np.float32), y, np.full(600, "train"), ("land bird", "gull"))
    found = named(table, planted_reading(*OTHERS, seed=seed))
    assert found.errors > 50
    assert not found.findings
    assert not found.unnamed
    assert found.reason
    assert found.reason != DIVIDES


def test_too_few_errors_name_nothing() -> None:
    table = planted_table()
    errors = head_errors(table.features, table.y, 2)
    wrong = np.flatnonzero(errors.predicted != table.y)
    rows = np.setdiff1d(np.arange(1200), wrong)
    found = named(table.rows(rows), planted_reading(PLACE))
    assert found.errors < 8
    assert not found.findings
    assert "8 are needed" in found.reason


@pytest.fixture(scope="module")
def case() -> tuple[FeatureTable, HeadErrors, Reading]:
    table = planted_table()
    return table, head_errors(table.features, table.y, 2), planted_reading(PLACE, *OTHERS)


def test_fit_by_plain_loops(case: tuple[FeatureTable, HeadErrors, Reading]) -> None:
    table, errors, reading = case
    poles = find_poles(reading.attributes[0], reading, errors)
    assert poles is not None
    x, y = table.features.astype(float), table.y
    answers = poles.answers(x, y).argmax(axis=1)
    for v, got in enumerate(fits(poles, reading, x, y, errors)):
        own, phrases, other = [], [], []
        for k in range(2):
            inside, outside = x[(y == k) & (answers == v)].mean(axis=0), x[(y == k) & (answers != v)].mean(axis=0)
            own.append(np.mean([w @ inside < poles.read.centers[v] @ inside for w in reading.embedded]))
            other.append(np.mean([w @ outside < poles.read.centers[v] @ outside for w in reading.embedded]))
            phrases.append(
                [np.mean([w @ inside < p @ inside for w in reading.embedded]) for p in poles.read.phrases[v]]
            )
        assert got.own == pytest.approx(min(own))
        assert got.other == pytest.approx(np.mean(other))
        one_word = 1 / len(reading.words)  # a phrase that is an everyday word fits as well as itself, but for rounding
        assert got.worst_phrase == pytest.approx(np.mean(phrases, axis=0).min(), abs=1.01 * one_word)
        residual = x - np.stack([x[y == k].mean(axis=0) for k in range(2)])[y]
        along = residual @ differences(poles.directions)[v]
        middle = np.mean([x[(y == k) & (answers == v)].mean(axis=0) for k in range(2)], axis=0)
        names = list(poles.read.attribute.values.values())[v]
        neighbors = [
            w @ middle > poles.read.centers[v] @ middle
            for word, w, d in zip(reading.words, reading.embedded, reading.directions(reading.embedded), strict=True)
            if word not in names and np.corrcoef(residual @ d, along)[0, 1] > NEIGHBOR
        ]
        assert got.nearer == pytest.approx(np.mean(neighbors) if neighbors else 0.0)


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({}, None),
        ({"own": 0.5}, "do not fit"),
        ({"worst_phrase": 0.5}, "do not fit"),
        ({"other": 0.95}, "fit the other images"),
        ({"nearer": 0.5}, "another meaning"),
    ],
)
def test_every_rule_of_the_fit_counts(broken: dict[str, float], reason: str | None) -> None:
    good = {"own": 0.97, "other": 0.6, "worst_phrase": 0.9, "nearer": 0.1}
    found = not_seen((ValueFit(**good), ValueFit(**{**good, **broken})))
    assert bool(found) == (reason is not None)
    assert reason is None or reason in found[0]


def test_a_better_word_of_another_meaning_takes_the_name(case: tuple[FeatureTable, HeadErrors, Reading]) -> None:
    """The phrases "oak" and "ash" point at a place too, but less than "lake", "sea", "forest" and "wood" do."""
    table, errors, _ = case
    reading = planted_reading("kind=oak:ash", PLACE)
    kind, place = reading.attributes
    for v in range(2):
        kind.phrases[v][:] = 0.4 * place.phrases[v].mean(axis=0) + 0.6 * kind.phrases[v]
    found = {}
    for one in (kind, place):
        poles = find_poles(one, reading, errors)
        assert poles is not None
        found[one.attribute.name] = not_seen(fits(poles, reading, table.features.astype(float), table.y, errors))
    assert "words of another meaning fit better" in found["kind"]
    assert not found["place"]


def test_it_is_found_again_or_not(case: tuple[FeatureTable, HeadErrors, Reading]) -> None:
    table, errors, reading = case
    x = table.features.astype(float)
    poles = find_poles(reading.attributes[0], reading, errors)
    assert poles is not None
    first = found_again(reading.attributes[0], poles, reading, x, table.y, errors)
    assert first == found_again(reading.attributes[0], poles, reading, x, table.y, errors) >= AGAIN
    swapped = type(poles)(
        poles.read, poles.goes_with[::-1].copy(), poles.directions, poles.effect, poles.contrast
    )  # the values of the other class are never found
    assert found_again(reading.attributes[0], swapped, reading, x, table.y, errors) == 0
