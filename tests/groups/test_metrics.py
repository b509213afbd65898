"""Promises: group metrics equal fairlearn's, WILDS' where it runs, and plain loops, empty groups and all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from debias_pt.datasets.wilds_reader import no_update_check
from debias_pt.errors import UsageError
from debias_pt.groups.groups import Groups
from debias_pt.groups.intervals import (
    student_interval,
    wilson_interval,
    worst_group_interval,
)
from debias_pt.groups.metrics import GroupReport

LABELS = (("bird", "land"), ("bird", "water"))


def make(y: np.ndarray, a: np.ndarray) -> Groups:
    return Groups(y, np.eye(2)[a], ("landbird", "waterbird"), ("land", "water"), "true")


def report(y: np.ndarray, a: np.ndarray, predictions: np.ndarray, train: tuple[int, ...] = (5, 1, 1, 3)) -> GroupReport:
    return GroupReport.of(predictions, make(y, a), np.array(train), seeds=range(len(predictions)))


# Two samples at least: fairlearn squeezes a single one away.
samples = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(0, 1)), min_size=2, max_size=60)


@given(samples)
def test_accuracies_equal_fairlearn(rows: list[tuple[int, int, int]]) -> None:
    from fairlearn.metrics import MetricFrame
    from sklearn.metrics import accuracy_score

    y, a, said = (np.array(column) for column in zip(*rows, strict=True))
    found = report(y, a, said[None])
    frame = MetricFrame(metrics=accuracy_score, y_true=y, y_pred=said, sensitive_features=2 * y + a)
    assert found.worst_group_accuracy[0] == pytest.approx(frame.group_min())
    assert found.average_accuracy[0] == pytest.approx(frame.overall)
    assert found.group_mean_accuracy[0] == pytest.approx(frame.by_group.mean())
    assert found.gap[0] == pytest.approx(frame.overall - frame.group_min())
    for group, value in frame.by_group.items():
        assert found.accuracy[0, int(group)] == pytest.approx(value)


def test_accuracies_equal_wilds() -> None:
    """WILDS' group evaluation needs an extra package; its accuracy and its grouping run without."""
    import torch

    with no_update_check():
        from wilds.common.metrics.all_metrics import Accuracy

    y, a, said = np.random.default_rng(0).integers(0, 2, (3, 500))
    found = report(y, a, said[None])
    metric = Accuracy()

    def theirs(rows: np.ndarray) -> float:
        result = metric.compute(torch.from_numpy(said[rows]), torch.from_numpy(y[rows]))
        return float(result[metric.agg_metric_field])

    assert found.average_accuracy[0] == pytest.approx(theirs(np.arange(500)))
    by_group = [theirs(np.flatnonzero(2 * y + a == g)) for g in range(4)]
    assert found.accuracy[0] == pytest.approx(by_group)
    assert found.worst_group_accuracy[0] == pytest.approx(min(by_group))


def test_adjusted_average_weighs_by_training_frequency() -> None:
    y, a = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 1, 0, 1, 1])
    found = report(y, a, np.array([[0, 1, 0, 0, 1, 0]]), train=(50, 10, 10, 30))
    assert found.adjusted_average_accuracy[0] == pytest.approx((0.5 * 50 + 1 * 10 + 0 * 10 + 0.5 * 30) / 100)


def test_groups_absent_from_the_split_are_left_out_of_everything() -> None:
    found = report(np.array([0, 0, 1]), np.array([0, 0, 1]), np.array([[0, 0, 0]]), train=(6, 2, 2, 2))
    assert found.worst_group_accuracy[0] == 0
    assert found.group_mean_accuracy[0] == pytest.approx(0.5)
    assert found.adjusted_average_accuracy[0] == pytest.approx(6 / 8)
    as_json = found.to_dict()
    assert as_json["groups"][1] == {
        "label": "landbird", "attribute": "water", "n": 0, "accuracy": None, "ci": None, "image_ci": None,
    }  # fmt: skip


def test_no_training_group_left_gives_none_not_nan() -> None:
    found = report(np.array([0]), np.array([0]), np.array([[0]]), train=(0, 1, 1, 1)).to_dict()
    assert found["adjusted_average_accuracy"] is None


def test_several_runs_have_means_and_student_intervals() -> None:
    rng = np.random.default_rng(1)
    y, a = rng.integers(0, 2, (2, 200))
    predictions = rng.integers(0, 2, (4, 200))
    found = report(y, a, predictions).to_dict()
    alone = [report(y, a, one[None]).worst_group_accuracy[0] for one in predictions]
    assert found["worst_group_accuracy"] == pytest.approx(np.mean(alone))
    assert [row["worst_group_accuracy"] for row in found["per_seed"]] == pytest.approx(alone)
    half = 3.182446 * np.std(alone, ddof=1) / 2
    assert found["intervals"]["worst_group_accuracy"] == pytest.approx([np.mean(alone) - half, np.mean(alone) + half])
    assert "Student" in found["interval"]
    for run, one in enumerate(predictions):
        by_group = [np.mean(one[2 * y + a == g] == y[2 * y + a == g]) for g in range(4)]
        assert found["per_seed"][run]["groups"] == pytest.approx(by_group)


def test_intervals_over_images_are_there_for_one_run_and_for_several() -> None:
    rng = np.random.default_rng(1)
    y, a = rng.integers(0, 2, (2, 200))
    one = np.where(rng.random(200) < 0.8, y, 1 - y)[None]
    alone, same = report(y, a, one).to_dict(), report(y, a, np.repeat(one, 3, axis=0)).to_dict()
    for group, again in zip(alone["groups"], same["groups"], strict=True):
        correct = round(group["accuracy"] * group["n"])
        assert group["ci"] == group["image_ci"] == pytest.approx(list(wilson_interval(correct, group["n"])))
        assert again["image_ci"] == pytest.approx(group["image_ci"])  # runs that agree add nothing
        assert again["ci"] == pytest.approx([group["accuracy"]] * 2)  # and have no spread
    assert alone["intervals"] == alone["image_intervals"]
    assert same["image_intervals"]["worst_group_accuracy"] == pytest.approx(alone["intervals"]["worst_group_accuracy"])
    ends = alone["image_intervals"]["worst_group_accuracy"]
    accuracies, sizes = (np.array([g[name] for g in alone["groups"]], dtype=float) for name in ("accuracy", "n"))
    assert ends == pytest.approx(list(worst_group_interval(accuracies[None], sizes)))
    other = np.stack([one[0], np.where(rng.random(200) < 0.8, y, 1 - y)])
    wide, narrow = alone["image_intervals"]["average_accuracy"], report(y, a, other).to_dict()["image_intervals"]
    assert narrow["average_accuracy"][1] - narrow["average_accuracy"][0] < wide[1] - wide[0]


def test_student_interval_of_equal_values_is_a_point() -> None:
    assert student_interval(np.array([0.5, 0.5, 0.5])) == (0.5, 0.5)


def test_misaligned_predictions_are_refused() -> None:
    with pytest.raises(UsageError, match=r"shape \(1, 3\) for 1 runs and 2 samples"):
        report(np.array([0, 1]), np.array([0, 1]), np.array([[0, 1, 1]]))


def figures_of(correct: list[list[int]], counts: list[int], train: list[int]) -> dict[str, Any]:
    seeds = tuple(range(len(correct)))
    return GroupReport(np.array(correct), np.array(counts), np.array(train), LABELS, "true", seeds).to_dict()


def test_every_group_has_an_interval_of_its_own_over_seeds() -> None:
    """Means ± 4.303 s / sqrt 3: .6, .7, .8 gives .452 to .948; three times .75 gives a point."""
    found = figures_of([[6, 3], [7, 3], [8, 3]], [10, 4], [1, 1])
    assert found["groups"][0]["ci"] == pytest.approx([0.452, 0.948], abs=5e-4)
    assert found["groups"][1]["ci"] == pytest.approx([0.75, 0.75])
    assert [group["n"] for group in found["groups"]] == [10, 4]


def test_the_figures_of_a_report() -> None:
    """9 of 10 and 2 of 4; training 30 and 10."""
    found = figures_of([[9, 2]], [10, 4], [30, 10])
    assert found["worst_group_accuracy"] == 0.5
    assert found["average_accuracy"] == pytest.approx(11 / 14)
    assert found["adjusted_average_accuracy"] == pytest.approx((0.9 * 30 + 0.5 * 10) / 40)
    assert found["group_mean_accuracy"] == pytest.approx(0.7)
    assert found["gap"] == pytest.approx(11 / 14 - 0.5)
    assert found["per_seed"][0]["groups"] == [0.9, 0.5]


def test_intervals_over_seeds_stay_between_0_and_1_and_a_gap_may_be_negative() -> None:
    found = figures_of([[10, 0], [0, 4]], [10, 4], [1, 1])
    assert found["groups"][0]["ci"] == [0.0, 1.0]
    assert found["intervals"]["worst_group_accuracy"] == pytest.approx([0, 0])
    assert found["intervals"]["gap"][0] == -1.0


def test_a_group_without_images_counts_none() -> None:
    groups = Groups.by_class(np.array([0, 0, 2]), ("cat", "dog", "cow"))
    found = GroupReport.of(np.array([[0, 1, 2]]), groups, np.array([1, 1, 1]), [0])
    assert found.images is not None
    assert found.images.tolist() == [2, 0, 1]
    assert found.correct.tolist() == [[1, 0, 1]]


def test_a_report_over_two_runs() -> None:
    """Groups of 10 and 4; the first run is right about 9 and 2, the second about 7 and 4; a group is nowhere."""
    labels = (("cat", "in"), ("cat", "out"), ("dog", ""), ("dog", "x"))
    report = GroupReport(
        np.array([[9, 2, 0, 0], [7, 4, 0, 0]]), np.array([10, 4, 0, 0]), np.array([1, 1, 2, 0]), labels, "true", (0, 1)
    )
    found = report.to_dict()
    assert [group["label"] for group in found["groups"]] == ["cat", "cat", "dog"]
    assert found["groups"][2] == {
        "label": "dog", "attribute": None, "n": 0, "accuracy": None, "ci": None, "image_ci": None,
    }  # fmt: skip
    assert found["worst_group_accuracy"] == pytest.approx((0.5 + 0.7) / 2)
    assert found["adjusted_average_accuracy"] == pytest.approx((0.9 + 0.5 + 0.7 + 1) / 4)
    assert found["per_seed"][1]["groups"] == [0.7, 1.0, None]
    assert found["per_seed"][1]["seed"] == 1
    assert found["interval"] == "95 % Student, over seeds"
    assert found["groups_from"] == "true"
    assert found["groups"][0]["image_ci"] == pytest.approx(list(wilson_interval(8, 10)))
    assert found["image_intervals"]["average_accuracy"] == pytest.approx(list(wilson_interval(11, 14)))
    assert "gap" in found["intervals"]
    assert found["intervals"]["gap"][0] >= -1
    alone = GroupReport(
        np.array([[9, 2, 0, 0]]), np.array([10, 4, 0, 0]), np.zeros(4, dtype=int), labels, "true", (0,)
    ).to_dict()
    assert alone["interval"] == "95 % Wilson, over samples"
    assert alone["intervals"] == alone["image_intervals"]
    assert alone["adjusted_average_accuracy"] is None
    assert len(alone["groups"]) == 2
