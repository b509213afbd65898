"""Promises: groups, their warnings and their intervals, in small cases worked out by hand."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from debias_pt.datasets.attributes import PseudoAttribute, TrueAttribute
from debias_pt.datasets.base import ImageDataset
from debias_pt.errors import DebiasWarning, UsageError
from debias_pt.groups import paired
from debias_pt.groups.groups import Groups, known_groups
from debias_pt.groups.intervals import contenders, effective_images, student_interval, wilson_bounds, wilson_interval
from debias_pt.groups.metrics import GroupReport, known_counts
from debias_pt.groups.paired import average_difference, worst_group_difference
from debias_pt.groups.probe_report import probe_report, probe_sentence

NAMES = ("cat", "dog")


def of_sizes(sizes: list[int], source: str = "true") -> Groups:
    """Two values a class, and this many images of each group."""
    index = np.repeat(np.arange(len(sizes)), sizes)
    names = tuple(f"class {k}" for k in range(len(sizes) // 2))
    return Groups(index // 2, index % 2, names, ("in", "out"), source)


def warned(groups: Groups, *, soft: bool = False) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        groups.warn_if_small(soft=soft)
    return [str(one.message) for one in caught if one.category is DebiasWarning]


def test_groups_below_ten_are_warned_of_the_smallest_first() -> None:
    assert warned(of_sizes([9, 10, 0, 1])) == [
        "the true group (class 1, in) is empty; its weight is 0",
        "the true group (class 1, out) has 1 sample; its weight rests on very few",
        "the true group (class 0, in) has 9 samples; its weight rests on very few",
    ]
    assert warned(Groups.by_class(np.array([0]), ("cat",))) == [
        "the group (cat) has 1 sample; its weight rests on very few"
    ]


def test_five_small_groups_are_named_one_by_one_and_six_in_one_line() -> None:
    assert len(warned(of_sizes([1, 2, 3, 4, 5, 10]))) == 5
    (line,) = warned(of_sizes([7, 2, 0, 4, 5, 6, 3, 10]))
    assert line == (
        "of 8 true groups 1 are empty (their weight is 0) and 6 have fewer than 10 samples (their weights rest on very "
        "few), the smallest are (class 0, out) with 2; (class 3, in) with 3; (class 1, out) with 4; (class 2, in) with "
        "5; (class 2, out) with 6"
    )
    (line,) = warned(of_sizes([0, 0, 0, 0, 0, 0, 99, 99]))
    assert line == (
        "of 8 true groups 6 are empty (their weight is 0) and 0 have fewer than 10 samples (their weights rest on very "
        "few)"
    )


def test_sizes_are_counts_or_expected_numbers() -> None:
    posterior = np.array([[0.75, 0.25], [0.5, 0.5], [0.0, 1.0]])
    soft = Groups(np.array([0, 0, 1]), posterior, NAMES, ("in", "out"), "pseudo")
    assert soft.sizes().tolist() == soft.counts.tolist() == [2, 0, 0, 1]  # of equals the first value
    assert soft.sizes(soft=True).tolist() == [1.25, 0.75, 0, 1]
    hard = of_sizes([2, 0, 0, 1])
    assert hard.sizes(soft=True).tolist() == hard.sizes().tolist() == [2, 0, 0, 1]
    assert hard.hard
    assert not soft.hard
    assert warned(soft, soft=True)[1].endswith("(cat, out) has 0.8 samples; its weight rests on very few")
    assert warned(soft)[0] == "the pseudo group (cat, out) is empty; its weight is 0"


def test_values_that_are_no_attribute_are_refused() -> None:
    y = np.array([0, 1])
    for values in (np.array([0, 2]), np.array([-1, 0]), np.array([0.0, 1.0]), np.ones((2, 3)), np.array([0])):
        with pytest.raises(UsageError, match="attribute"):
            Groups(y, values, NAMES, ("in", "out"), "true")
    Groups(y, np.array([0, 1]), NAMES, ("in", "out"), "true")
    assert len(Groups(y[:0], y[:0], NAMES, ("in", "out"), "true")) == 0


def test_two_annotations_cross_in_order() -> None:
    one, two = TrueAttribute(("in", "out"), np.array([1, 0])), TrueAttribute(("a", "b", "c"), np.array([2, 1]))
    groups = Groups.true(np.array([0, 1]), NAMES, [one, two])
    assert groups.attribute_names == ("in+a", "in+b", "in+c", "out+a", "out+b", "out+c")
    assert groups.values.tolist() == [5, 1]
    assert groups.index.tolist() == [5, 7]
    assert [groups.name(g) for g in (5, 7)] == ["cat, out+c", "dog, in+b"]
    assert np.asarray(groups).tolist() == ["cat, out+c", "dog, in+b"]
    mixed = Groups.pseudo(np.array([0, 1]), NAMES, [PseudoAttribute("p", ("x", "y"), np.array([[0.25, 0.75]] * 2))])
    split = mixed.split_by(("u", "v"), np.array([[1.0, 0.0], [0.5, 0.5]]))
    assert split.values.tolist() == [[0.25, 0, 0.75, 0], [0.125, 0.125, 0.375, 0.375]]
    assert split.source == "pseudo"
    of_true = groups.split_by(("u", "v"), np.eye(2))
    assert (of_true.source, of_true.attribute.tolist()) == ("true", [10, 3])
    by_class = Groups.by_class(np.array([0, 1]), NAMES)
    assert by_class.split_by(("u", "v"), np.eye(2)).source == "pseudo"
    assert by_class.names == NAMES


def test_known_groups_are_the_annotations_or_the_classes(tmp_path: object) -> None:
    y, split = np.array([0, 1]), np.array(["train", "train"])
    place = TrueAttribute(("in", "out"), np.array([1, 0]))
    plain = ImageDataset("d", tmp_path, ("a", "b"), y, split, NAMES)  # type: ignore[arg-type]
    assert known_groups(plain)[0].tolist() == [0, 1]
    assert known_groups(plain)[1] == NAMES
    named = ImageDataset("d", tmp_path, ("a", "b"), y, split, NAMES, {"place": place})  # type: ignore[arg-type]
    index, names = known_groups(named)
    assert index.tolist() == [1, 2]
    assert names[1] == "cat, out"


def test_which_training_counts_are_known() -> None:
    fitted = of_sizes([3, 1, 0, 2])
    one, two = TrueAttribute(("a", "b"), np.array([0, 0, 0, 1, 1, 1])), TrueAttribute(("u", "v"), fitted.y)
    names = fitted.class_names
    assert known_counts(of_sizes([1, 1, 1, 1]), fitted, {}).tolist() == [3, 1, 0, 2]
    by_one = Groups.true(fitted.y, names, [one])
    assert known_counts(by_one, fitted, {"one": one, "two": two}).tolist() == [3, 1, 0, 2]
    both = Groups.true(fitted.y, names, [one, two])
    assert known_counts(both, fitted, {"one": one, "two": two}).tolist() == both.counts.tolist()
    assert known_counts(both, fitted, {"one": one}).tolist() == [0] * 8
    assert known_counts(both, None, {"one": one, "two": two}).tolist() == [0] * 8
    pseudo = of_sizes([1, 1, 1, 1], "pseudo")
    assert known_counts(pseudo, fitted, {}).tolist() == [0] * 4


def test_wilson_by_the_formula() -> None:
    """8 of 10 at z = 1.959964: centre (.8 + z2 / 20) / (1 + z2 / 10), half z / (1 + z2 / 10) sqrt(.016 + z2 / 400)."""
    z2 = 1.959963985**2
    centre, half = (0.8 + z2 / 20) / (1 + z2 / 10), 1.959963985 / (1 + z2 / 10) * math.sqrt(0.016 + z2 / 400)
    assert wilson_interval(8, 10) == pytest.approx((centre - half, centre + half), abs=1e-9)
    low, high = wilson_bounds(np.array([0.0, 1.0]), np.array([4.0, 4.0]), 0.025)
    assert (low[0], high[1]) == (0.0, 1.0)
    assert 0 < high[0] < 1
    assert high[0] == pytest.approx(1 - low[1])
    assert wilson_bounds(np.array(0.5), np.array(4.0), 0.05)[0] > wilson_bounds(np.array(0.5), np.array(4.0), 0.025)[0]


def test_students_interval_of_two_runs() -> None:
    """Mean .5, standard error .1, quantile of one degree of freedom 12.706."""
    assert student_interval(np.array([0.4, 0.6])) == pytest.approx((0.5 - 1.2706, 0.5 + 1.2706), abs=1e-4)


def test_effective_images_of_two_runs_that_disagree() -> None:
    """Of 4 images each run is right about 2, about other ones: smoothed 4 / 8, prior 1; of one 4 / 4, of the mean 0."""
    right = np.array([[1, 1, 0, 0], [0, 0, 1, 1]], dtype=bool)
    assert effective_images(right) == pytest.approx(4 * (1 + 1) / (0 + 1))


def test_contenders_reach_below_the_lowest_upper_end() -> None:
    """Of 100 images each: .5 reaches .596 up; .6 reaches .502 down, .75 reaches .657 down."""
    assert contenders(np.array([0.5, 0.6, 0.75]), np.full(3, 100.0)).tolist() == [True, True, False]


def test_a_difference_of_two_methods_on_four_images() -> None:
    """One run: right about 4 and 2 of 4. Variance (4 x .25 + 1) / 24, Student's t of 3 degrees of freedom 3.182."""
    one, other = np.array([[1, 1, 1, 1]], dtype=bool), np.array([[1, 1, 0, 0]], dtype=bool)
    found = average_difference(one, other)
    half = 3.18245 * math.sqrt(2 / 24)
    assert found.mean == 0.5
    assert found.interval == pytest.approx((0.5 - half, 1), abs=1e-4)  # 1.42, cut to what there can be
    assert found.to_dict() == {"mean": 0.5, "ci": list(found.interval)}
    back = average_difference(other, one)
    assert (back.mean, back.interval[0]) == pytest.approx((-0.5, -found.interval[1]))


def test_a_difference_over_two_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Differences of the runs 1 and 0 on both images: no variance over images, 1 / 4 over seeds, nothing is shared."""
    one, other = np.array([[1, 1], [1, 1]], dtype=bool), np.array([[0, 0], [1, 1]], dtype=bool)
    images, seeds = 1 / 8, 0.5 / 2
    total = images + seeds
    freedom = total**2 / (images**2 + seeds**2)
    from scipy.special import stdtrit

    half = float(stdtrit(freedom, 0.975)) * math.sqrt(total)
    assert average_difference(one, other).interval == (-1, 1)  # all that there can be
    monkeypatch.setattr(paired, "_possible", lambda low, high: (low, high))
    assert average_difference(one, other).interval == pytest.approx((0.5 - half, 0.5 + half))


def test_a_difference_of_worst_groups_is_that_of_the_minima() -> None:
    """Groups right about 1/2 and 1 against 1 and 3/4: minima 1/2 and 3/4."""
    one = np.array([[1, 0, 1, 0, 1, 1, 1, 1]], dtype=bool)
    other = np.array([[1, 1, 1, 1, 1, 1, 1, 0]], dtype=bool)
    found = worst_group_difference(one, other, np.array([0, 0, 0, 0, 1, 1, 1, 1]))
    assert found.mean == pytest.approx(-0.25)
    assert found.interval[0] < -0.25 < found.interval[1]


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


def test_a_probes_report_by_hand() -> None:
    """Class 0: of 4 in, 3 are called so; of 1 out, none. Class 1: of 2 out, both; one value of it does not occur."""
    y = np.array([0, 0, 0, 0, 0, 1, 1])
    true, said = np.array([0, 0, 0, 0, 1, 1, 1]), np.array([0, 0, 0, 1, 0, 1, 1])
    one, two = (Groups(y, a, NAMES, ("in", "out"), "true") for a in (said, true))
    report = probe_report(one, two)
    assert report.confusion.tolist() == [[3, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 2]]
    found = report.to_dict()
    assert found["accuracy"] == pytest.approx(5 / 7)
    assert found["majority_accuracy"] == pytest.approx(6 / 7)
    assert found["balanced_accuracy"] == pytest.approx((0.75 + 0 + 1) / 3)
    assert found["per_value"] == {"in": 0.75, "out": pytest.approx(2 / 3)}
    assert (found["worst_group_recall"], found["worst_group_precision"]) == (0, 0)
    assert found["worst_group"] == found["groups"][1]
    assert found["groups"][1] == {
        "label": "cat", "attribute": "out", "recall": 0, "accuracy": 0, "precision": 0, "n_true": 1, "n_pseudo": 1,
    }  # fmt: skip
    assert found["groups"][0]["precision"] == 0.75
    assert (found["groups"][2]["recall"], found["groups"][2]["n_true"], found["groups"][3]["n_pseudo"]) == (None, 0, 2)
    assert probe_sentence(found) == (
        "right for 71.4 % of the training images (naming each class's majority: 85.7 %; mean over groups 58.3 %); "
        "worst group (cat, out): recall 0.0 %, precision 0.0 %"
    )
    with pytest.raises(UsageError, match="must match"):
        probe_report(one, two.rows(y == 0))
    with pytest.raises(UsageError, match="must match"):
        probe_report(Groups(y, said, NAMES, ("in", "away"), "true"), two)
