"""Promises: errors of the probe's rate and shape have exactly its counts, and are drawn from the seed; the cells of
the experiment are what they say, oracles are named, and validation by own groups chooses the loss."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from debias_pt.benchmarks.group_robustness import robust_losses as groups
from debias_pt.benchmarks.group_robustness.case import Case
from debias_pt.benchmarks.group_robustness.probe_errors import SHAPES, Confused, confusion_matrix, flipped
from debias_pt.errors import UsageError
from debias_pt.models.backbone import Backbone
from debias_pt.settings import TrainSettings
from tests.helpers.small_case import gaussian_case

pytestmark = pytest.mark.usefixtures("one_thread")
SPLITS = ("train", "val", "test")


@pytest.fixture(scope="module")
def case(backbone: Backbone) -> Case:
    return gaussian_case(backbone, wrong=0.2, steps=5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("split", SPLITS)
def test_errors_have_the_probes_counts(case: Case, shape: str, split: str) -> None:
    true, said = case.prepared.require_true("a test"), case.prepared.pseudo
    found, rows = Confused(shape)(case), case.split(split)
    assert (found.attribute[rows] != true.attribute[rows]).sum() == (said.attribute[rows] != true.attribute[rows]).sum()
    wanted, counted = confusion_matrix(case, said, split), confusion_matrix(case, found, split)
    if shape == "group":
        assert np.array_equal(counted, wanted)
    if shape in ("group", "attribute"):
        assert np.array_equal(counted.reshape(2, 2, 2).sum(axis=0), wanted.reshape(2, 2, 2).sum(axis=0))


@pytest.mark.parametrize("shape", SHAPES)
def test_errors_are_drawn_from_the_seed_and_are_not_the_probes(case: Case, shape: str) -> None:
    first, again, other = (Confused(shape, seed)(case).attribute for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, case.prepared.pseudo.attribute)


def test_classes_and_the_source_stay(case: Case) -> None:
    found = Confused("rate")(case)
    assert np.array_equal(found.y, case.prepared.table.y)
    assert found.source == "true"
    assert np.array_equal(Confused("rate").for_selection(case).attribute, found.attribute)


def test_a_confusion_matrix_is_counted_by_hand(case: Case) -> None:
    true, said = case.prepared.require_true("a test"), case.prepared.pseudo
    found = confusion_matrix(case, said)
    for group in range(4):
        for value in range(2):
            rows = zip(true.index, said.attribute, case.prepared.table.split, strict=True)
            assert found[group, value] == sum((g, a, s) == (group, value, "train") for g, a, s in rows)


@given(seed=st.integers(0, 1000), n_values=st.integers(2, 4), n=st.integers(1, 30))
def test_flips_are_as_many_as_the_probes_errors(seed: int, n_values: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    true, said = rng.integers(0, n_values, n), rng.integers(0, n_values, n)
    found = flipped(true, said, n_values, rng)
    assert (found != true).sum() == (said != true).sum()
    assert found.min() >= 0
    assert found.max() < n_values


def test_an_unknown_shape_is_refused() -> None:
    with pytest.raises(UsageError, match="shape is 'matrix'; rate, attribute, group expected"):
        Confused("matrix")


# The experiments.


@pytest.fixture
def measured(case: Case, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> TrainSettings:
    monkeypatch.setattr(groups, "_case", lambda settings: dataclasses.replace(case, settings=settings))
    return dataclasses.replace(case.settings, cache_dir=str(tmp_path))


@pytest.mark.filterwarnings("ignore:the pseudo group:debias_pt.errors.DebiasWarning")  # of the refined probe
def test_methods_and_losses_are_crossed(measured: TrainSettings) -> None:
    result = groups.losses_and_groups(measured, [0.5])
    cells = result["cells"]
    assert [(one["method"], one["loss"]) for one in cells] == [
        (method, loss) for method in ("erm", "dpt", "dpt-mixture", "dpt") for loss in ("cross-entropy", "gce, q 0.5")
    ]
    assert [one["oracle"] for one in cells] == [False] * 6 + [True] * 2
    for first, second in zip(cells[::2], cells[1::2], strict=True):
        by_score = second if second["validation_worst_group"] > first["validation_worst_group"] else first
        assert result["chosen"][f"{first['method']}, {first['groups_from_words']}"] == by_score["loss"]
    header, lines = groups.table(result)
    assert len(lines) == 8
    assert all(len(line) == len(header) for line in lines)
    again = groups.losses_and_groups(measured, [0.5])
    assert all(one["stored"] for one in again["cells"])
    assert again["chosen"] == result["chosen"]


def test_the_probe_is_put_beside_errors_of_its_shape(measured: TrainSettings) -> None:
    result = groups.probe_as_noise(measured)
    assert [one["oracle"] for one in result["cells"]] == [False, True, True, True, True]
    right = [one["attribute_accuracy"] for one in result["cells"]]
    assert right[:4] == pytest.approx([right[0]] * 4)
    assert right[0] < right[4] == 1
    assert sum(map(sum, result["confusion"].values())) == 400
    assert set(result["confusion"]) == {f"{y}, {a}" for y in ("landbird", "waterbird") for a in ("land", "water")}


def test_a_cells_figures_are_the_fits(case: Case) -> None:
    one = groups.Cell("dpt", "zero-shot probe", groups.Pseudo(), 0.7)
    fitted = one.loop(case)
    table, own = case.prepared.table, case.prepared.pseudo
    predicted = fitted.predict(table.where("val").features)
    rows = own.rows(table.split == "val")
    worst = [min(np.mean(run[rows.index == g] == rows.y[rows.index == g]) for g in range(4)) for run in predicted]
    assert groups.figures_of(case, one, fitted)["validation_worst_group"] == pytest.approx(np.mean(worst))
    assert one.loss == "gce, q 0.7"


def test_without_annotations_there_is_no_oracle() -> None:
    assert not any(one.groups.labels for one in groups.crossed(annotated=False))
    assert len(groups.crossed()) == 4 * (1 + len(groups.QS))
