"""Promises: from Python a tuner classifies features, tables, files and images alike; what it cannot classify is one
line; methods without an attribute need no groups; it prints in a line, and a pickle of it holds no model."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from debias_pt.datasets import load_dataset
from debias_pt.errors import ImageError, UsageError
from debias_pt.features.table import FeatureTable
from debias_pt.groups.groups import Groups
from debias_pt.models.backbone import Backbone
from debias_pt.training.tuner import Tuner
from tests.helpers.tiny_data import FOLDER


@pytest.fixture(scope="module")
def tuner(backbone: Backbone, table: FeatureTable) -> Tuner:
    return Tuner(backbone, method="erm", seeds=2, steps=3).fit(table)


def test_everything_at_hand_gives_the_same_answers(tuner: Tuner, table: FeatureTable, waterbirds_root: Path) -> None:
    some = table.rows(np.arange(3))
    paths = [waterbirds_root / FOLDER / name for name in some.ids]
    expected = tuner.predict_proba(some.features)
    images = [Image.open(path) for path in paths]
    forms: list[Any] = [
        some,
        torch.from_numpy(some.features),
        some.features.tolist(),
        paths,
        [str(path) for path in paths],
        images,
        [np.asarray(image.convert("RGB")) for image in images],
    ]
    for form in forms:
        assert tuner.predict_proba(form) == pytest.approx(expected, abs=1e-5)
    for form in (paths[0], str(paths[0]), images[0]):
        assert tuner.predict_proba(form) == pytest.approx(expected[:, :1], abs=1e-5)
    folder = paths[0].parent
    assert tuner.predict(folder).shape == (2, len(list(folder.iterdir())))
    assert tuner.predict([paths[0], paths[0]]).shape == (2, 2)  # a row for everything that was given


def test_an_ensemble_is_one_argument(tuner: Tuner, table: FeatureTable) -> None:
    alone = tuner.predict_proba(table)
    assert tuner.predict_proba(table, ensemble=True) == pytest.approx(alone.mean(axis=0))
    assert tuner.predict(table, ensemble=True).tolist() == alone.mean(axis=0).argmax(axis=1).tolist()
    groups = Groups.by_class(table.y, table.class_names)
    report = tuner.score(table, groups, split="test", ensemble=True)
    right = tuner.predict(table.where("test"), ensemble=True) == table.where("test").y
    assert report.average_accuracy.tolist() == [right.mean()]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (np.zeros((2, 3), dtype=np.float32), r"features have shape \(2, 3\), \(N, 24\) expected; give features"),
        (np.ones((2, 24)), r"the features of row 0 have length 4\.9, not 1; normalise them"),
        (np.full((1, 24), np.nan), "row 0 have length nan"),
        ({"a": 1}, "cannot classify 'dict'; give features"),
        (["cat", 3], "cannot classify 'list'"),
        (3, r"features have shape \(\), "),
    ],
)
def test_what_cannot_be_classified_is_one_line(tuner: Tuner, inputs: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        tuner.predict(inputs)


def test_a_missing_file_is_one_line(tuner: Tuner, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"none\.jpg"):
        tuner.predict(tmp_path / "none.jpg")


def test_before_fit_it_says_so(backbone: Backbone, table: FeatureTable) -> None:
    fresh = Tuner(backbone)
    for ask in (fresh.predict, fresh.predict_proba, fresh.logits):
        with pytest.raises(UsageError, match="has learned nothing yet; call fit first"):
            ask(table)
    with pytest.raises(UsageError, match="has learned nothing yet"):
        fresh.head_  # noqa: B018


def test_groups_are_needed_where_the_method_looks_at_them(backbone: Backbone, table: FeatureTable) -> None:
    by_class = Groups.by_class(table.y, table.class_names)
    for method in ("erm", "class-balanced"):
        without = Tuner(backbone, method=method, steps=2).fit(table)
        given = Tuner(backbone, method=method, steps=2).fit(table, by_class)
        assert (without.class_weights_ == given.class_weights_).all()
    with pytest.raises(UsageError, match="the method 'dpt' needs groups; give them"):
        Tuner(backbone, steps=2).fit(table)
    with pytest.raises(UsageError, match="the selection rule 'true-wga' needs groups"):
        Tuner(backbone, method="erm", select="true-wga", steps=2).fit(table)


def test_everything_prints_in_a_line(tuner: Tuner, table: FeatureTable, waterbirds_root: Path) -> None:
    dataset = load_dataset("waterbirds", waterbirds_root, check_counts=False)
    assert repr(table).startswith("FeatureTable(waterbirds: 90 images, 24 features each; train 48, val 20, test 22; 2 ")
    assert repr(dataset).endswith("2 classes (landbird, waterbird); annotated: background)")
    assert repr(tuner).startswith("Tuner(Backbone('tiny")
    assert repr(tuner).endswith("method='erm', steps=3, seeds=2): fitted to 2 classes")
    for thing in (table, dataset, tuner, tuner.backbone):
        assert len(repr(thing)) < 300
        assert " at 0x" not in repr(thing)


def test_a_pickle_holds_no_model(tuner: Tuner, table: FeatureTable, waterbirds_root: Path) -> None:
    data = pickle.dumps(tuner)
    assert len(data) < 100_000  # the tiny model's weights alone are 6 MB
    again = pickle.loads(data)
    assert "not loaded" in repr(again)
    assert (again.predict_proba(table) == tuner.predict_proba(table)).all()
    assert "not loaded" in repr(again)  # features need no model
    image = waterbirds_root / FOLDER / table.ids[0]
    assert again.predict_proba(image) == pytest.approx(tuner.predict_proba(table.features[:1]), abs=1e-5)
    assert again.head_.state_dict().keys() == tuner.head_.state_dict().keys()
    assert (again.fit(table).class_weights_ == tuner.class_weights_).all()


def test_a_pickle_refuses_another_model(tuner: Tuner, backbone: Backbone) -> None:
    again = pickle.loads(pickle.dumps(tuner))
    again._source = (None, *again._source[1:])
    with pytest.raises(UsageError, match="was not loaded by name; assign one"):
        again.backbone  # noqa: B018
    again.backbone = backbone
    assert again.backbone is backbone


def test_both_averages_are_given_in_the_readme_example(backbone: Backbone, table: FeatureTable) -> None:
    """Fitted with pseudo groups, scored by true ones, as the README does."""
    true = Groups.true(table.y, table.class_names, [table.attributes["background"]])
    pseudo = replace(true, source="pseudo")
    with pytest.warns(match="the pseudo group"):
        fitted = Tuner(backbone, steps=2).fit(table, pseudo)
    test = table.split == "test"
    reports = [fitted.score(table.where("test"), true.rows(test)), fitted.score(table, true, split="test")]
    for report in reports:
        assert np.isfinite(report.adjusted_average_accuracy).all()
        weights = true.rows(table.split == "train").counts / 48
        assert report.adjusted_average_accuracy == pytest.approx(report.accuracy @ weights)
