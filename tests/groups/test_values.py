"""Promises: what reports and refined probes say, in small cases worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from debias_pt.datasets.attributes import PseudoAttribute, TrueAttribute
from debias_pt.groups import paired
from debias_pt.groups.groups import Groups
from debias_pt.groups.metrics import GroupReport
from debias_pt.groups.refinement import RefinementError, calibrate, calibration, refine
from debias_pt.groups.refinement.calibration import contrasts
from debias_pt.groups.refinement.pooling import calibrate_apart, pool
from tests.groups.test_refinement import UNEVEN, World, plain_em

LABELS = (("bird", "land"), ("bird", "water"))


def report(correct: list[list[int]], counts: list[int], train: list[int]) -> dict[str, Any]:
    seeds = tuple(range(len(correct)))
    return GroupReport(np.array(correct), np.array(counts), np.array(train), LABELS, "true", seeds).to_dict()


def test_every_group_has_an_interval_of_its_own_over_images() -> None:
    """Wilson: 8 of 10 is .490 to .943; 3 of 4 is .301 to .954."""
    found = report([[8, 3]], [10, 4], [1, 1])
    assert [group["accuracy"] for group in found["groups"]] == [0.8, 0.75]
    assert found["groups"][0]["ci"] == pytest.approx([0.490, 0.943], abs=5e-4)
    assert found["groups"][1]["ci"] == found["groups"][1]["image_ci"] == pytest.approx([0.301, 0.954], abs=5e-4)


def test_every_group_has_an_interval_of_its_own_over_seeds() -> None:
    """Means ± 4.303 s / sqrt 3: .6, .7, .8 gives .452 to .948; three times .75 gives a point."""
    found = report([[6, 3], [7, 3], [8, 3]], [10, 4], [1, 1])
    assert found["groups"][0]["ci"] == pytest.approx([0.452, 0.948], abs=5e-4)
    assert found["groups"][1]["ci"] == pytest.approx([0.75, 0.75])
    assert [group["n"] for group in found["groups"]] == [10, 4]


def test_the_figures_of_a_report() -> None:
    """9 of 10 and 2 of 4; training 30 and 10."""
    found = report([[9, 2]], [10, 4], [30, 10])
    assert found["worst_group_accuracy"] == 0.5
    assert found["average_accuracy"] == pytest.approx(11 / 14)
    assert found["adjusted_average_accuracy"] == pytest.approx((0.9 * 30 + 0.5 * 10) / 40)
    assert found["group_mean_accuracy"] == pytest.approx(0.7)
    assert found["gap"] == pytest.approx(11 / 14 - 0.5)
    assert found["per_seed"][0]["groups"] == [0.9, 0.5]


def test_intervals_over_seeds_stay_between_0_and_1_and_a_gap_may_be_negative() -> None:
    found = report([[10, 0], [0, 4]], [10, 4], [1, 1])
    assert found["groups"][0]["ci"] == [0.0, 1.0]
    assert found["intervals"]["worst_group_accuracy"] == pytest.approx([0, 0])
    assert found["intervals"]["gap"][0] == -1.0


def test_words_and_features_count_half_each() -> None:
    """An image is seen by both: their product would count it twice. By plain expectation-maximisation."""
    world = World.draw([[30, 6], [5, 25]], lean=0, noise=1.5, dim=4)
    evidence = 1.5 * (world.scores - world.scores.mean(axis=1, keepdims=True))
    mixture, share = pool(world.x, world.y, evidence, 2)
    start = np.eye(2)[evidence.argmax(axis=1)]
    expected = plain_em(world.x, world.y, start, 0.5 * evidence, 0.5, 30)
    assert mixture.iterations <= 200
    assert share == pytest.approx(expected, abs=2e-3)


def test_a_refined_probe_answers_its_training_rows_as_the_mixture_does() -> None:
    world = World.draw(UNEVEN, lean=0, noise=2.0)
    refined, facts = refine(world.x, world.scores, world.y, 2)
    weights, bias = calibrate_apart(world.scores, world.y, 2).linear()
    mixture, share = pool(world.x, world.y, contrasts(world.scores) @ weights.T + bias[0], 2)
    found = refined.posterior(world.x, world.scores, world.y, prior=True)
    assert np.abs(found - share).max() < 1e-3
    assert facts["confident_rows"] == (share.max(axis=1) > 0.95).sum()
    assert facts["share_changed"] == np.mean(share.argmax(axis=1) != world.scores.argmax(axis=1))
    assert facts["prior"] == mixture.prior.tolist()
    equal = refined.posterior(world.x, world.scores, world.y)
    odds = (found / equal) / (found / equal)[:, :1]
    assert odds[:, 1] == pytest.approx((mixture.prior[:, 1] / mixture.prior[:, 0])[world.y], rel=1e-6)


def test_a_peak_that_lies_where_another_value_scores_highest_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World.draw(UNEVEN, lean=0)
    right = calibrate(world.scores, world.y, 2)
    turned = replace(right, effect=right.effect[::-1])
    monkeypatch.setattr(calibration, "fit_mixture", lambda *_, **__: (turned, None))
    with pytest.raises(RefinementError, match="do not belong to one value each"):
        calibrate(world.scores, world.y, 2)


def test_groups_number_and_name_class_times_value() -> None:
    y, a = np.array([0, 0, 1, 1, 1]), np.array([1, 0, 1, 1, 0])
    groups = Groups.true(y, ("cat", "dog"), [TrueAttribute(("in", "out"), a)])
    assert groups.index.tolist() == [1, 0, 3, 3, 2]
    assert groups.counts.tolist() == [1, 1, 1, 2]
    assert groups.labels == (("cat", "in"), ("cat", "out"), ("dog", "in"), ("dog", "out"))
    assert groups.class_of_group.tolist() == [0, 0, 1, 1]
    assert groups.rows(y == 1).counts.tolist() == [0, 0, 1, 2]


def test_soft_groups_multiply_the_posteriors() -> None:
    one = PseudoAttribute("a", ("in", "out"), np.array([[0.75, 0.25], [0.5, 0.5]]))
    two = PseudoAttribute("b", ("small", "large"), np.array([[0.5, 0.5], [0.2, 0.8]]))
    groups = Groups.pseudo(np.array([0, 1]), ("cat", "dog"), [one, two])
    soft = groups.membership(soft=True)
    assert soft[0] == pytest.approx([0.375, 0.375, 0.125, 0.125, 0, 0, 0, 0])
    assert soft[1] == pytest.approx([0, 0, 0, 0, 0.1, 0.4, 0.1, 0.4])
    assert groups.membership().tolist() == np.eye(8)[[0, 5]].tolist()


def test_a_group_without_images_counts_none() -> None:
    groups = Groups.by_class(np.array([0, 0, 2]), ("cat", "dog", "cow"))
    found = GroupReport.of(np.array([[0, 1, 2]]), groups, np.array([1, 1, 1]), [0])
    assert found.images is not None
    assert found.images.tolist() == [2, 0, 1]
    assert found.correct.tolist() == [[1, 0, 1]]


def test_two_methods_keep_their_places_in_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variances of two images: (0.5 + 1) / 8 where one is right, (0 + 1) / 8 where both are."""
    one, two = np.array([[1.0, 0, 1, 1]]), np.ones((1, 4))
    inside = [np.array([True, True, False, False]), np.array([False, False, True, True])]
    images, _ = paired._pair_variances(one, two, inside)
    assert images[0, 1] == pytest.approx(0.1875 + 0.125)
    assert images[1, 0] == pytest.approx(0.125 + 0.125)
    seen: list[tuple[float, float]] = []
    whole = paired._pair_variances

    def spy(first: Any, second: Any, groups: Any) -> Any:
        seen.append((float(first.sum()), float(second.sum())))
        return whole(first, second, groups)

    monkeypatch.setattr(paired, "_pair_variances", spy)
    found = paired.worst_group_difference(one > 0, two > 0, np.array([0, 0, 1, 1]))
    assert seen == [(3.0, 4.0)]
    assert found.mean == -0.5
