"""Promises: effect and contrast equal plain loops over images, classes get their values, names are taken once."""

from __future__ import annotations

import numpy as np
import pytest

from debias_pt.discovery.head_errors import FEW, HeadErrors, head_errors
from debias_pt.discovery.poles import Poles, beyond, effect_of, find_poles
from debias_pt.discovery.reading import Reading
from debias_pt.features.table import FeatureTable
from tests.discovery.planted import planted_reading, planted_table

PLACE = "place=lake|sea:forest|wood"
OTHER = "tone=dim|murky:bright|shining"


@pytest.fixture(scope="module")
def table() -> FeatureTable:
    return planted_table()


@pytest.fixture(scope="module")
def errors(table: FeatureTable) -> HeadErrors:
    return head_errors(table.features, table.y, 2)


@pytest.fixture(scope="module")
def reading() -> Reading:
    return planted_reading(PLACE, OTHER)


@pytest.fixture(scope="module")
def place(reading: Reading, errors: HeadErrors) -> Poles:
    found = find_poles(reading.attributes[0], reading, errors)
    assert found is not None
    return found


def test_effect_and_contrast_by_plain_loops(table: FeatureTable, errors: HeadErrors, place: Poles) -> None:
    x, y, predicted = table.features.astype(float), table.y, errors.predicted
    effects, contrasts, weights = [], [], []
    for k, j in ((0, 1), (1, 0)):
        along = x @ (place.directions[place.goes_with[j]] - place.directions[place.goes_with[k]])
        spread = np.sqrt(np.mean([(along[i] - along[y == y[i]].mean()) ** 2 for i in range(len(y))]))
        wrong, right = (y == k) & (predicted == j), (y == k) & (predicted == k)
        assert wrong.sum() >= FEW
        effects.append((along[wrong].mean() - along[right].mean()) / spread)
        contrasts.append((along[y == j].mean() - along[y == k].mean()) / spread)
        weights.append(np.sqrt(wrong.sum()))
    assert place.effect == pytest.approx(np.average(effects, weights=weights), abs=1e-6)
    assert place.contrast == pytest.approx(np.average(contrasts, weights=weights), abs=1e-6)
    assert place.score == min(place.effect, place.contrast)


def test_each_class_gets_its_value(place: Poles) -> None:
    assert place.named_classes() == ["forest", "lake"]
    assert place.effect > 1
    assert place.contrast > 1


def test_answers_are_centered_between_the_classes(table: FeatureTable, place: Poles) -> None:
    """A word that the model prefers everywhere wins nothing by it."""
    x, y = table.features.astype(float), table.y
    moved = x + 3 * place.read.centers[0]
    first, second = place.answers(x, y), place.answers(moved, y)
    np.testing.assert_array_equal(first.argmax(axis=1), second.argmax(axis=1))
    truth = np.array(list(place.read.attribute.values))[first.argmax(axis=1)] == "lake"
    assert (truth == (x[:, 1] > 0)).mean() > 0.95


def test_a_value_that_fits_no_image_is_not_chosen(errors: HeadErrors) -> None:
    reading = planted_reading("kind=murky:shining:dim")
    assert find_poles(reading.attributes[0], reading, errors) is None


def test_nothing_is_left_beyond_the_attribute_itself(place: Poles, errors: HeadErrors) -> None:
    assert beyond(place, [], errors) == (place.effect, place.contrast)
    again = beyond(place, [place], errors)
    assert np.abs(again).max() < 1e-6


def test_without_a_shortcut_no_class_differs() -> None:
    table, reading = planted_table(shortcut=False), planted_reading(PLACE)
    found = find_poles(reading.attributes[0], reading, head_errors(table.features, table.y, 2))
    assert found is None or found.contrast < 0.3


def test_no_errors_no_effect() -> None:
    x = np.concatenate([np.eye(4)[:1].repeat(30, 0), np.eye(4)[1:2].repeat(30, 0)]).astype(np.float32)
    errors = head_errors(x, np.repeat([0, 1], 30), 2)
    assert len(errors.pairs) == 0
    assert effect_of(np.eye(4)[:2], np.array([0, 1]), errors) == (0.0, 0.0)
