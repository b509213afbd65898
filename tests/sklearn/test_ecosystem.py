"""Promises: estimators, scorers and groups work in scikit-learn's tools and in fairlearn's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn

from debias_pt.groups.groups import Groups
from debias_pt.models.backbone import Backbone
from tests.helpers.tiny_data import gaussian_table

if tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 6):
    pytest.skip("these checks need scikit-learn 1.6", allow_module_level=True)

from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_predict, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from debias_pt.sklearn import (
    DebiasedClassifier,
    GroupReweightedLogisticRegression,
    group_accuracy_gap,
    make_group_scorer,
    mean_group_score,
    worst_group_score,
)

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore::debias_pt.errors.DebiasWarning"),
]
TABLE = gaussian_table().where("train")
X, Y = TABLE.features, np.array(TABLE.class_names)[TABLE.y]
PLACE = np.array(TABLE.attributes["background"].words)
QUICK = {"steps": 30}


@pytest.fixture
def routing() -> Iterator[None]:
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def test_scores_are_those_of_plain_loops() -> None:
    rng = np.random.default_rng(0)
    y, p, a = rng.integers(0, 3, 90), rng.integers(0, 3, 90), rng.integers(0, 2, 90)
    groups = [(y == k) & (a == v) for k in range(3) for v in range(2)]
    accuracies = [(p[group] == k).mean() for k in range(3) for v in range(2) if (group := (y == k) & (a == v)).any()]
    assert len(accuracies) == len(groups)
    assert worst_group_score(y, p, attribute=a) == pytest.approx(min(accuracies))
    assert mean_group_score(y, p, attribute=a) == pytest.approx(np.mean(accuracies))
    assert group_accuracy_gap(y, p, attribute=a) == pytest.approx((y == p).mean() - min(accuracies))
    # A group's number makes the same groups as the attribute.
    assert worst_group_score(y, p, attribute=2 * y + a) == worst_group_score(y, p, attribute=a)


def test_a_grid_search_by_the_worst_group(routing: None) -> None:
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    model = GroupReweightedLogisticRegression(**QUICK).set_fit_request(attribute=True)
    search = GridSearchCV(
        model, {"method": ["erm", "balanced"], "alpha": [0.1, 1.0]}, scoring=make_group_scorer(), cv=folds
    )
    table = gaussian_table(scale=5).where("train")  # groups of 50, so that a fold's worst one is no accident
    x, y, place = table.features, table.y, table.attributes["background"].labels
    search.fit(x, y, attribute=place)
    assert search.best_params_["method"] == "balanced"
    by_accuracy = GridSearchCV(model, {"method": ["erm", "balanced"]}, scoring="accuracy", cv=folds)
    assert by_accuracy.fit(x, y, attribute=place).best_params_["method"] == "erm"
    assert search.score(x, y, attribute=place) == worst_group_score(y, search.predict(x), attribute=place)


def test_an_attribute_for_scoring_is_not_fitted_with_by_accident(routing: None) -> None:
    model = DebiasedClassifier(**QUICK)
    options = {"scoring": make_group_scorer(), "cv": 2, "params": {"attribute": PLACE}, "return_estimator": True}
    with pytest.raises(UnsetMetadataPassedError, match="attribute"):
        cross_validate(model, X, Y, error_score="raise", **options)
    done = cross_validate(model.set_fit_request(attribute=False), X, Y, **options)
    assert [one.oracle_ for one in done["estimator"]] == [False, False]
    gap = make_group_scorer(group_accuracy_gap)
    assert gap(done["estimator"][0], X, Y, attribute=PLACE) < 0


def test_a_pipeline_routes_the_attribute(routing: None) -> None:
    model = GroupReweightedLogisticRegression(**QUICK).set_fit_request(attribute=True)
    pipeline = make_pipeline(StandardScaler(), model).fit(X, Y, attribute=PLACE)
    alone = clone(model).fit(X, Y, attribute=PLACE)
    np.testing.assert_allclose(pipeline.predict_proba(X), alone.predict_proba(X), atol=1e-4)
    assert pipeline[-1].groups_.source == "true"


def test_without_routing_fit_parameters_are_passed_on() -> None:
    model = DebiasedClassifier(**QUICK)
    predicted = cross_val_predict(model, X, Y, cv=3, params={"attribute": PLACE})
    assert (predicted == Y).mean() > 0.6
    calibrated = CalibratedClassifierCV(model, cv=3).fit(X, Y, attribute=PLACE)
    assert all(one.estimator.oracle_ for one in calibrated.calibrated_classifiers_)
    assert calibrated.predict_proba(X).shape == (len(X), 2)


def test_clones_share_the_frozen_model(backbone: Backbone) -> None:
    model = DebiasedClassifier(attribute="background=land:water", backbone=backbone)
    copy = clone(model)
    assert copy is not model
    assert copy.backbone is backbone
    assert copy.get_params()["attribute"] == "background=land:water"


def test_fairlearn_takes_groups_as_they_are() -> None:
    metrics = pytest.importorskip("fairlearn.metrics")
    model = DebiasedClassifier(**QUICK).fit(X, Y, attribute=PLACE)
    frame = metrics.MetricFrame(
        metrics=accuracy_score, y_true=Y, y_pred=model.predict(X), sensitive_features=model.groups_
    )
    assert frame.group_min() == pytest.approx(worst_group_score(Y, model.predict(X), attribute=PLACE))
    assert set(frame.by_group.index) == set(model.groups_.names)
    groups = Groups.by_class(TABLE.y, TABLE.class_names)
    assert np.asarray(groups).tolist() == Y.tolist()


DOCS = (Path(__file__).resolve().parents[2] / "docs" / "sklearn.md").read_text(encoding="utf-8")


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_the_blocks_of_the_page_run_one_after_another(
    backbone: Backbone, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    test = gaussian_table().where("test")
    names: dict[str, Any] = {
        "X": X, "y": Y, "place": PLACE, "backbone": backbone, "X_test": test.features,
        "y_test": np.array(test.class_names)[test.y], "place_test": np.array(test.attributes["background"].words),
    }  # fmt: skip
    blocks = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)
    assert len(blocks) >= 5
    try:
        for block in blocks:
            exec(block, names)
    finally:
        sklearn.set_config(enable_metadata_routing=False)
    assert capsys.readouterr().out
