"""Promises: which counts, groups, values and classes the workflows report and ask with; by small cases."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from debias_pt.datasets.attributes import PseudoAttribute, TrueAttribute
from debias_pt.groups.groups import Groups
from debias_pt.groups.refinement import RefinedProbe
from debias_pt.workflows.predict import as_csv, predict
from debias_pt.workflows.prepared import annotation
from debias_pt.workflows.report import scores_of, small_groups, train_counts, worst_group
from tests.helpers.tiny_data import FOLDER


def group(label: str, n: int, accuracy: float | None) -> dict[str, Any]:
    return {"label": label, "attribute": "in", "n": n, "accuracy": accuracy}


def test_the_worst_group_is_the_least_accurate_not_the_smallest() -> None:
    scores = {"groups": [group("cat", 3, 0.9), group("dog", 500, 0.2), group("cow", 0, None), group("pig", 40, 0.5)]}
    assert worst_group(scores) == {"label": "dog", "attribute": "in", "n": 500}
    assert [one["label"] for one in small_groups(scores)] == ["cat", "cow"]


def prepared() -> Any:
    """Training: three of group 0 and one of 1; test: one of 0 and two of 1; classes as groups."""
    split = np.array(["train"] * 4 + ["test"] * 3)
    groups = Groups.by_class(np.array([0, 0, 0, 1, 0, 1, 1]), ("cat", "dog"))
    return SimpleNamespace(rows=lambda name: split == name, report_groups=groups)


def test_the_adjusted_average_weighs_by_training() -> None:
    data = prepared()
    scores = scores_of(data, data.report_groups, np.array([[0, 0, 1]]), "test", [7])
    assert scores["average_accuracy"] == pytest.approx(2 / 3)
    assert scores["adjusted_average_accuracy"] == pytest.approx((3 * 1 + 1 * 0.5) / 4)
    assert [one["n"] for one in scores["groups"]] == [1, 2]
    assert scores["per_seed"][0]["seed"] == 7
    assert train_counts(data).tolist() == [3, 1]


def test_an_annotation_is_read_in_the_probes_order_of_values() -> None:
    true = TrueAttribute(("water", "land", "air"), np.array([0, 1, 2, 0]))
    answer = PseudoAttribute("place", ("land", "air", "water"), np.full((4, 3), 1 / 3))
    found = annotation(true, answer)
    assert found is not None
    assert found.values == ("land", "air", "water")
    assert found.labels.tolist() == [2, 0, 1, 2]
    assert annotation(true, PseudoAttribute("place", ("land", "water"), np.full((4, 2), 0.5))) is None


def test_predict_asks_the_probe_about_the_class_it_predicts(
    tiny_run: Path, waterbirds_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    whole = RefinedProbe.predict

    def spy(self: RefinedProbe, features: Any, y: Any, **options: Any) -> Any:
        asked.extend(y.tolist())
        return whole(self, features, y, **options)

    monkeypatch.setattr(RefinedProbe, "predict", spy)
    images = sorted(map(str, (waterbirds_root / FOLDER).glob("*/test_*.jpg")))[:6]
    result = predict(str(tiny_run), images)
    assert [result["class_names"][y] for y in asked] == [one["predicted"] for one in result["images"]]
    for one in result["images"]:
        assert one["predicted"] == max(one["probabilities"], key=one["probabilities"].__getitem__)


def test_the_file_of_predict() -> None:
    answers = {"background": {"value": "land", "confidence": 0.75}}
    image = {"id": "a,b.jpg", "path": "a,b.jpg", "predicted": "dog", "label": "dog", "probability": 0.625}
    image |= {"probabilities": {"cat": 0.375, "dog": 0.625}, "attributes": answers}
    text = as_csv({"class_names": ["cat", "dog"], "attributes": ["background"], "images": [image]})
    header, line = csv.reader(io.StringIO(text))
    assert header[:6] == ["id", "predicted", "probability", "p(cat)", "p(dog)", "background"]
    assert line == [*("a,b.jpg", "dog", "0.625000", "0.375000", "0.625000", "land", "0.750000", "a,b.jpg", "dog")]
