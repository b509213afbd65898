"""Promises: any learning rate with any method, loss and head gives finite figures or a typed error; the same settings
give the same bits."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from debias_pt.errors import DebiasError, DebiasWarning
from debias_pt.features.table import FeatureTable, table_from_arrays
from debias_pt.groups.groups import Groups
from debias_pt.models.backbone import Backbone
from debias_pt.settings import FitSettings
from debias_pt.training.tuner import Tuner
from tests.faults.choices import CHOICES
from tests.faults.records import scale

RATES = [1e6, 1e-12, 1.0, 1e3, 1e-4][: scale(1, 5)]


def small(n: int = 24, classes: int = 2) -> FeatureTable:
    rng = np.random.default_rng(0)
    y = np.arange(n) % classes
    words = [f"value {i // classes % 2}" for i in range(n)]
    names = [f"class {k}" for k in range(classes)]
    split = ["train" if i % 3 else "val" for i in range(n)]
    return table_from_arrays(rng.normal(size=(n, 24)), y, names, split=split, attributes={"place": words})


def fitted(backbone: Backbone, table: FeatureTable, **options: Any) -> np.ndarray[Any, Any]:
    groups = Groups.true(table.y, table.class_names, list(table.attributes.values()))
    tuner = Tuner(backbone, FitSettings(**{"steps": 3, "seeds": 1, "select": "last", **options}))
    tuner.fit(table, groups, validation_groups=groups)
    return tuner.predict_proba(table.features)


@pytest.mark.parametrize(("kind", "name"), CHOICES)
def test_learning_rates(counted: Any, backbone: Backbone, kind: str, name: str) -> None:
    with counted(6, f"--{kind} {name}, learning rates up to 1e6: finite, the same bits again, or a typed error") as row:
        for rate in RATES:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DebiasWarning)
                try:
                    first = fitted(backbone, small(), **{kind: name, "lr": rate})
                except DebiasError as error:
                    assert "\n" not in str(error)
                else:
                    assert np.isfinite(first).all()
                    again = fitted(backbone, small(), **{kind: name, "lr": rate})
                    assert np.array_equal(first, again)
            row.survived()


@pytest.mark.parametrize(
    "features", [np.full((4, 3), np.nan), np.full((4, 3), np.inf), np.zeros((4, 3)), np.zeros((0, 3)), np.zeros((4, 0))]
)
def test_features_that_are_none(features: np.ndarray[Any, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        with pytest.raises(DebiasError):
            table_from_arrays(features, np.arange(len(features)) % 2, ["a", "b"], split="train").where("train")
