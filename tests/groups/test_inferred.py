"""Promises: groups are found from class labels alone where a shortcut divides the images, whatever the labels' numbers;
where none does, equal weights hardly change; what the data do not support is left as it is, and said."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from debias_pt.errors import DebiasWarning
from debias_pt.features.table import FeatureTable, table_from_arrays
from debias_pt.groups import inferred_groups
from debias_pt.groups.groups import Groups
from debias_pt.groups.inferred_groups import infer_groups, inferred_text
from debias_pt.groups.refinement import inferred
from debias_pt.groups.refinement.biased_head import fit_biased_head
from debias_pt.groups.refinement.inferred import MOST_CLASSES, infer
from debias_pt.groups.refinement.mixture import RefinementError
from debias_pt.models.backbone import Backbone
from debias_pt.training.tuner import Tuner


def planted(
    classes: int, *, shortcut: float, minority: int = 10, size: int = 150, dim: int = 12, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features with a weak direction per class and a strong one per value; the value is mostly the class."""
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(classes), size)
    a = y.copy()
    for k in range(classes):
        rows = np.flatnonzero(y == k)[:minority]
        a[rows] = (k + 1 + np.arange(minority) % (classes - 1)) % classes
    x = rng.normal(size=(len(y), dim))
    x[:, :classes] += np.eye(classes)[y]
    x[:, classes : 2 * classes] += shortcut * np.eye(classes)[a]
    return x.astype(np.float32), y, a


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_the_planted_shortcut_is_found_without_its_labels(classes: int) -> None:
    x, y, a = planted(classes, shortcut=6.0)
    found = infer(x, y, classes)
    assert (found.posterior.argmax(axis=1) == a).mean() > 0.99
    expected = np.array(found.facts["expected"])
    true = np.array([np.bincount(a[y == k], minlength=classes) for k in range(classes)])
    np.testing.assert_allclose(expected, true, atol=2.0)
    assert found.facts["logit_separation"] > 3.0


def test_the_minority_is_told_better_than_by_the_errors_of_the_head_alone() -> None:

    recall = {"inferred": 0.0, "errors": 0.0}
    for seed in range(3):
        x, y, a = planted(2, shortcut=3.0, minority=15, size=300, seed=seed)
        minority = a != y
        errors = fit_biased_head(x.astype(float), y, 2).held_out.argmax(axis=1) != y
        found = infer(x, y, 2).posterior.argmax(axis=1) != y
        recall["errors"] += (errors & minority).sum() / (errors | minority).sum()
        recall["inferred"] += (found & minority).sum() / (found | minority).sum()
    assert recall["inferred"] > recall["errors"]


@given(st.permutations([0, 1, 2]))
def test_the_numbers_of_the_classes_do_not_matter(order: list[int]) -> None:
    x, y, _ = planted(3, shortcut=5.0)
    renamed = np.array(order)[y]
    one, other = infer(x, y, 3).posterior, infer(x, renamed, 3).posterior
    np.testing.assert_allclose(one.sum(axis=1), 1.0)
    assert (np.array(order)[one.argmax(axis=1)] == other.argmax(axis=1)).mean() > 0.98


def test_too_many_classes_and_single_images_are_refused() -> None:
    y = np.repeat(np.arange(MOST_CLASSES + 1), 2)
    with pytest.raises(RefinementError, match="21 classes are too many"):
        infer(np.ones((len(y), 3)), y, MOST_CLASSES + 1)
    with pytest.raises(RefinementError, match="two training images of each"):  # as many as there may be
        infer(np.ones((MOST_CLASSES, 3)), np.arange(MOST_CLASSES), MOST_CLASSES)
    with pytest.raises(RefinementError, match="two training images of each"):
        infer(np.random.default_rng(0).normal(size=(4, 3)), np.array([0, 0, 0, 1]), 2)


def table_of(backbone: Backbone, *, classes: int = 2) -> tuple[FeatureTable, np.ndarray]:
    x, y, a = planted(classes, shortcut=6.0, dim=backbone.dim)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    split = np.array(["train", "val", "test"])[np.arange(len(y)) % 3]
    names = ("cat", "dog", "owl")[:classes]
    ids = tuple(f"{i}.png" for i in range(len(y)))
    return FeatureTable(ids, x, y, split, names, {}, "planted", dict(backbone.fingerprint)), a


def test_only_fitted_rows_are_split_and_others_change_no_weight(backbone: Backbone) -> None:
    table, a = table_of(backbone)
    groups, facts = infer_groups(table, splits=("train",))
    assert groups.names == ("cat, like cat", "cat, like dog", "dog, like cat", "dog, like dog")
    assert groups.source == "pseudo"
    train = table.split == "train"
    assert (groups.posterior[train].argmax(axis=1) == a[train]).mean() > 0.95
    np.testing.assert_array_equal(groups.posterior[~train], 0.5)
    assert np.sum(facts["expected"]) == pytest.approx(train.sum(), abs=0.1)


def test_named_groups_are_split_further_and_keep_their_sizes(backbone: Backbone) -> None:
    table, _ = table_of(backbone)
    posterior = np.random.default_rng(0).dirichlet([1, 1], size=len(table))
    named = Groups(table.y, posterior, tuple(table.class_names), ("in", "out"), "pseudo")
    groups, _ = infer_groups(table, named, splits=("train", "val"))
    assert groups.attribute_names == ("in+like cat", "in+like dog", "out+like cat", "out+like dog")
    halves = groups.posterior.reshape(len(table), 2, 2)
    np.testing.assert_allclose(halves.sum(axis=2), posterior)


def test_what_the_data_do_not_support_is_said_and_leaves_groups_alone(backbone: Backbone) -> None:
    table, _ = table_of(backbone)
    few = table.rows(np.concatenate([np.flatnonzero(table.y == 0)[:9], np.flatnonzero(table.y == 1)[:2]]))
    with pytest.warns(DebiasWarning, match="no groups are inferred from the images: a biased head needs two classes"):
        groups, facts = infer_groups(few)
    assert groups.source == "class"
    assert not facts["used"]
    assert inferred_text(facts).startswith("no groups are inferred from the images: a biased head needs")


def test_the_tuner_infers_and_reports_it_and_true_groups_are_left_whole(backbone: Backbone) -> None:
    table, a = table_of(backbone)
    tuner = Tuner(backbone, method="inferred", steps=60).fit(table)
    assert tuner.settings.infer_groups
    assert tuner.inferred_ is not None
    assert tuner.train_groups_ is not None
    assert tuner.train_groups_.n_groups == 4
    head = {"head": "standardized", "fit_on": "train+val"}
    plain = Tuner(backbone, method="class-balanced", **head, steps=60).fit(table)
    assert plain.inferred_ is None
    test = table.where("test")
    minority = (a != table.y)[table.split == "test"]
    right = {t: (t.predict(test.features)[0] == test.y)[minority].mean() for t in (tuner, plain)}
    assert right[tuner] >= right[plain] + 0.2
    true = dataclasses.replace(Groups.by_class(table.y, table.class_names), source="true", origin="annotation")
    assert Tuner(backbone, method="anchored", steps=2).fit(table, true).inferred_ is None


def test_what_is_printed() -> None:
    facts = {"used": True, "classes": ["a", "b", "c"], "expected": [[8, 1, 1], [0, 5, 0], [1, 1, 2]]}
    assert "2 of 10 of a, 0 of 5 of b and 2 of 4 of c look like another class" in inferred_text(facts)


def test_where_inferring_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine tenths for the class that the held-out head says, the rest to the others; then half and half."""
    seen: list[Any] = []
    whole = inferred.fit_mixture

    def spy(logits: Any, y: Any, start: Any, **options: Any) -> Any:
        seen.append(start)
        return whole(logits, y, start, **options)

    monkeypatch.setattr(inferred, "fit_mixture", spy)
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], 40)
    cue = np.where(np.arange(120) % 8 == 0, (y + 1) % 3, y)
    features = 4.0 * np.eye(3)[cue] + np.eye(3)[y] + 0.4 * rng.normal(size=(120, 3))
    found = infer(features, y, 3)
    assert sorted(set(seen[0].flatten().round(6).tolist())) == [0.05, 0.9]
    assert (seen[0].argmax(axis=1) == cue).mean() > 0.9
    assert found.posterior.sum(axis=1) == pytest.approx(np.ones(120))
    expected = np.array(found.facts["expected"])
    assert expected.sum(axis=1) == pytest.approx([40, 40, 40], abs=0.05)
    assert expected[0, 0] == pytest.approx(found.posterior[y == 0, 0].sum(), abs=0.006)
    assert found.facts["logit_separation"] > 0
    assert found.facts["feature_separation"] > 0


def some_table() -> FeatureTable:
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 60)
    cue = np.where(np.arange(120) % 6 == 0, 1 - y, y)
    features = np.stack([y, 3.0 * cue, 1 - cue], axis=1) + 0.3 * rng.normal(size=(120, 3)) + 0.1
    split = np.where(np.arange(120) % 4 == 3, "val", "train")
    return table_from_arrays(features, y, ["cat", "dog"], split=split.tolist())


def test_rows_that_are_not_fitted_have_equal_shares() -> None:
    table = some_table()
    groups, facts = infer_groups(table)
    train = table.split == "train"
    assert groups.attribute_names == ("like cat", "like dog")
    assert (groups.posterior[~train] == 0.5).all()
    assert not (groups.posterior[train] == 0.5).any()
    assert (facts["used"], facts["classes"]) == (True, ["cat", "dog"])
    assert np.array(facts["expected"]).sum() == pytest.approx(train.sum(), abs=0.05)
    everywhere, _ = infer_groups(table, splits=("train", "val"))
    assert not (everywhere.posterior == 0.5).any()
    named = Groups(table.y, np.arange(120) % 2, table.class_names, ("a", "b"), "pseudo")
    further, _ = infer_groups(table, named)
    assert further.attribute_names == ("a+like cat", "a+like dog", "b+like cat", "b+like dog")


def test_memory_is_asked_for_four_copies_in_double_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(inferred_groups, "require_free", lambda n, *_: asked.append(n))
    infer_groups(some_table())
    assert asked == [4 * 8 * 90 * 3]


def test_classes_that_cannot_be_split_stay_whole() -> None:
    table = table_from_arrays(np.eye(4), [0, 0, 0, 1], ["cat", "dog"], split="train")
    with pytest.warns(DebiasWarning, match="no groups are inferred from the images: a biased head needs two"):
        groups, facts = infer_groups(table)
    assert groups.names == ("cat", "dog")
    assert not facts["used"]
    assert inferred_text(facts).startswith("no groups are inferred from the images: a biased head")
    three = {"used": True, "classes": ["a", "b", "c"], "expected": [[8, 1, 1], [0, 5, 0], [2, 0, 1]]}
    assert inferred_text(three) == (
        "groups inferred from the images: 2 of 10 of a, 0 of 5 of b and 2 of 3 of c look like another class to a "
        "biased head"
    )
