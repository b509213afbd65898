"""Promises: every method, loss and head gives finite figures or one typed line on data that leave little to work with:
duplicates, single images, empty groups, one label, one value, thousands of classes; and the same bits again."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from debias_pt.errors import DebiasError, DebiasWarning
from debias_pt.features.table import FeatureTable, table_from_arrays
from debias_pt.groups.groups import Groups
from debias_pt.groups.inferred_groups import infer_groups
from debias_pt.models.backbone import Backbone
from debias_pt.settings import FitSettings
from debias_pt.training.tuner import Tuner
from tests.faults.choices import CHOICES
from tests.faults.records import scale

pytestmark = pytest.mark.usefixtures("one_thread")
SPLITS = ("train", "val", "test")
PART = scale(3, 1)  # of the choices, a third by turns in the short form


@dataclass(frozen=True)
class Odd:
    """What is strange about a data set: images of each (class, value) by split, and whether they are all alike."""

    cells: dict[str, NDArray[np.int64]]
    alike: bool = False
    options: dict[str, Any] = field(default_factory=dict)

    def table(self) -> FeatureTable:
        rng = np.random.default_rng(0)
        y, words, split = [], [], []
        for name, cells in self.cells.items():
            for (k, a), n in np.ndenumerate(cells):
                y += [k] * n
                words += [f"value {a}"] * n
                split += [name] * n
        features = np.ones((len(y), 24)) if self.alike else rng.normal(size=(len(y), 24))
        names = [f"class {k}" for k in range(len(self.cells["train"]))]
        return table_from_arrays(features, y, names, split=split, attributes={"place": words})


def cells(train: Any, val: Any = None, test: Any = None) -> dict[str, NDArray[np.int64]]:
    return {name: np.array(one or train) for name, one in zip(SPLITS, (train, val, test), strict=True)}


FULL = [[3, 2], [2, 4]]
ODD = {
    "all images the same": Odd(cells(FULL), alike=True),
    "one image a class": Odd(cells([[1, 0], [0, 1]])),
    "one image in a group": Odd(cells([[5, 1], [1, 5]])),
    "a batch of one image": Odd(cells(FULL), options={"batch_size": 1}),
    "a group that training does not have": Odd(cells([[5, 0], [2, 4]], FULL, FULL)),
    "a group that validation does not have": Odd(cells(FULL, [[5, 0], [2, 4]], FULL)),
    "a group that the test does not have": Odd(cells(FULL, FULL, [[5, 0], [2, 4]])),
    "a class that training does not have": Odd(cells([[3, 2], [0, 0]], FULL, FULL)),
    "all labels equal": Odd(cells([[3, 2], [0, 0]])),
    "an attribute that never varies": Odd(cells([[5], [4]])),
    "no validation rows": Odd(cells(FULL, [[0, 0], [0, 0]]), options={"select": "pseudo-wga"}),
    "no test rows": Odd(cells(FULL, FULL, [[0, 0], [0, 0]])),
    "one class": Odd(cells([[3, 2]])),
}


def outcome(backbone: Backbone, table: FeatureTable, **options: Any) -> bytes | str:
    """Fit and score; return the bits of all that was learned, or the line that says why not."""
    groups = Groups.true(table.y, table.class_names, list(table.attributes.values()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DebiasWarning)
        try:
            tuner = Tuner(backbone, FitSettings(**{"steps": 2, "seeds": 1, "head": "linear", **options}))
            tuner.fit(table, groups)
            report = tuner.score(table, groups, split="test").to_dict()
        except DebiasError as error:
            line = str(error)
            assert line
            assert "\n" not in line
            return line
    assert np.isfinite(tuner.class_weights_).all()
    assert np.isfinite(tuner.predict_proba(table.features)).all()
    json.dumps(report, allow_nan=False)
    assert 0 <= report["worst_group_accuracy"] <= report["average_accuracy"] <= 1
    return tuner.class_weights_.tobytes() + tuner.predict_proba(table.features).tobytes()


@pytest.mark.parametrize("case", ODD)
def test_little_to_work_with(counted: Any, backbone: Backbone, case: str) -> None:
    odd = ODD[case]
    table = odd.table()
    with counted(6, f"{case}, every method, loss and head: finite, the same bits again, or a typed error") as row:
        for kind, name in CHOICES[list(ODD).index(case) % PART :: PART]:
            options = {kind: name, **odd.options}
            assert outcome(backbone, table, **options) == outcome(backbone, table, **options)
            row.survived()


@pytest.mark.parametrize(
    ("case", "says"),
    [("no validation rows", "val"), ("no test rows", "test"), ("one class", "class")],
)
def test_what_is_refused_says_why(backbone: Backbone, case: str, says: str) -> None:
    line = outcome(backbone, ODD[case].table(), **ODD[case].options)
    assert isinstance(line, str)
    assert says in line


@pytest.mark.parametrize("case", sorted(set(ODD) - {"no validation rows", "no test rows", "one class"}))
def test_what_is_not_refused(backbone: Backbone, case: str) -> None:
    assert isinstance(outcome(backbone, ODD[case].table(), **ODD[case].options), bytes)


@pytest.mark.parametrize("case", ODD)
def test_groups_inferred_from_little(case: str) -> None:
    table = ODD[case].table()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DebiasWarning)
        groups, facts = infer_groups(table)
    assert np.isfinite(groups.posterior).all()
    np.testing.assert_allclose(groups.posterior.sum(axis=1), 1)
    assert facts["used"] or facts["reason"]


HEADS_OF_MANY = ["linear", "prompt", "standardized", "linear-from-text", "class-tokens"][: scale(1, 5)]


@pytest.mark.parametrize("head", HEADS_OF_MANY)
def test_ten_thousand_classes(counted: Any, backbone: Backbone, head: str) -> None:
    """One training image a class, a step, and 40 images each to validate and test: most groups are empty there."""
    k, few = 10_000, 40
    features = np.random.default_rng(0).normal(size=(k + 2 * few, 24))
    y = np.concatenate([np.arange(k), np.arange(few), np.arange(few)])
    split = np.repeat(SPLITS, [k, few, few]).tolist()
    table = table_from_arrays(features, y, [f"class {i}" for i in range(k)], split=split)
    groups = Groups.by_class(table.y, table.class_names)
    with counted(6, f"10,000 classes, one training image each, --head {head}: one step, finite figures") as row:
        settings = FitSettings(method="class-balanced", head=head, steps=1, seeds=1, batch_size=64)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DebiasWarning)
            tuner = Tuner(backbone, settings).fit(table, groups)
        assert np.isfinite(tuner.class_weights_).all()
        report = tuner.score(table, groups, split="test").to_dict()
        json.dumps(report, allow_nan=False)
        assert sum(group["n"] for group in report["groups"]) == few
        row.survived()
