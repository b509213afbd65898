"""Promises: both estimators pass scikit-learn's own checks but for what is named here; the linear one is logistic
regression; groups come from where they are said to come from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sklearn
from numpy.typing import NDArray

from debias_pt.datasets.attributes import Attribute
from debias_pt.errors import DebiasWarning, UnknownNameError, UsageError
from debias_pt.models.backbone import Backbone
from debias_pt.training.tuner import Tuner
from tests.helpers.tiny_data import gaussian_table

if tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 6):
    pytest.skip("these checks need scikit-learn 1.6", allow_module_level=True)

from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from debias_pt.sklearn import (
    DebiasedClassifier,
    GroupReweightedLogisticRegression,
    infer_attribute,
    worst_group_score,
)

pytestmark = pytest.mark.usefixtures("one_thread")
# Checks that an estimator cannot pass, and why.
EXCEPTIONS = {
    "DebiasedClassifier": {
        "check_estimators_dtypes": "one of its rows is all 0: an image feature without a direction, which is an error"
    }
}


@pytest.mark.filterwarnings("ignore::debias_pt.errors.DebiasWarning")
@parametrize_with_checks(
    [GroupReweightedLogisticRegression("dpt", steps=40), DebiasedClassifier(steps=40)],
    expected_failed_checks=lambda estimator: EXCEPTIONS.get(type(estimator).__name__, {}),
)
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    check(estimator)


def split(name: str) -> tuple[NDArray[Any], NDArray[np.str_], NDArray[np.str_]]:
    """Return features, class names and places of a split of the Gaussian table."""
    table = gaussian_table().where(name)
    return table.features, np.array(table.class_names)[table.y], np.array(table.attributes["background"].words)


@pytest.mark.parametrize("classes", [2, 3])
def test_without_groups_it_is_logistic_regression(classes: int) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, classes, 300)
    X = rng.normal(size=(300, 6)) * [1, 1, 1, 5, 0.1, 1] + np.eye(6)[y] * 1.5 + 3
    ours = GroupReweightedLogisticRegression("erm", alpha=0.05, steps=400).fit(X, y)
    scaler = StandardScaler().fit(X)
    C = (2 if classes == 2 else 1) / (len(y) * 0.05)
    theirs = LogisticRegression(C=C, tol=1e-8, max_iter=1000).fit(scaler.transform(X), y)
    assert ours.coef_.shape == theirs.coef_.shape
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(scaler.transform(X)), atol=2e-3)
    np.testing.assert_allclose(ours.coef_ * scaler.scale_, theirs.coef_, atol=1e-2)


def test_balanced_groups_are_sample_weights() -> None:
    X, y, place = split("train")
    ours = GroupReweightedLogisticRegression("balanced", steps=400).fit(X, y, attribute=place)
    group = np.unique(np.stack([y, place]), axis=1, return_inverse=True)[1].reshape(-1)
    weights = (1 / np.bincount(group))[group]
    scaler = StandardScaler().fit(X)
    theirs = LogisticRegression(C=2 / (len(y) * 0.5), tol=1e-8, max_iter=1000)
    theirs.fit(scaler.transform(X), y, sample_weight=weights / weights.mean())
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(scaler.transform(X)), atol=5e-3)


def test_groups_raise_the_worst_group_wherever_they_come_from() -> None:
    X, y, place = split("train")
    test, labels, places = split("test")

    def worst(model: Any) -> float:
        return worst_group_score(labels, model.predict(test), attribute=places)

    plain = worst(DebiasedClassifier("erm").fit(X, y))
    given = DebiasedClassifier().fit(X, y, attribute=place)
    inferred = DebiasedClassifier().fit(X, y)
    assert worst(given) > plain + 0.2
    assert worst(inferred) > plain + 0.15
    assert (given.groups_from_, given.method_, given.oracle_) == ("given", "anchored", True)
    assert (inferred.groups_from_, inferred.method_, inferred.oracle_) == ("inferred", "inferred", False)
    assert given.groups_.names == ("landbird, land", "landbird, water", "waterbird, land", "waterbird, water")
    two = DebiasedClassifier().fit(X, y, attribute=np.stack([place, np.roll(place, 1)], axis=1))
    assert two.groups_.n_groups == 8


def test_the_inferred_attribute_is_the_shortcut() -> None:
    X, y, place = split("train")
    found = infer_attribute(X, y)
    assert set(found) == {"like landbird", "like waterbird"}
    agree = (found == "like waterbird") == (place == "water")
    assert agree.mean() > 0.93
    with pytest.warns(DebiasWarning, match="no groups are inferred"):
        assert set(infer_attribute(X[:3], ["a", "b", "b"])) == {"all"}


def test_words_and_heads_that_read_need_the_model(backbone: Backbone) -> None:
    X, y, _ = split("train")
    with pytest.raises(UsageError, match=r"words need the model that made the features; give backbone="):
        DebiasedClassifier(attribute="background=land:water").fit(X, y)
    with pytest.raises(UsageError, match="head is 'prompt', which needs the model"):
        DebiasedClassifier(head="prompt").fit(X, y)
    with pytest.raises(UnknownNameError, match=r"unknown head 'promt' \(did you mean 'prompt'"):
        DebiasedClassifier(head="promt").fit(X, y)
    with pytest.raises(UsageError, match="not of the form background=land:water"):
        DebiasedClassifier(attribute="background", backbone=backbone).fit(X, y)
    with pytest.raises(UsageError, match="X has 23 features, .* makes 24"):
        DebiasedClassifier(backbone=backbone).fit(X[:, 1:], y)
    with pytest.raises(UsageError, match="the class '0' is a number"):
        DebiasedClassifier("erm", backbone=backbone, head="prompt").fit(X, (y == "landbird").astype(int))
    with pytest.raises(UsageError, match="1 class_names for 2 classes"):
        DebiasedClassifier(class_names=["a"]).fit(X, y)
    with pytest.raises(UsageError, match=r"attribute has shape \(3,\) for 400 rows"):
        DebiasedClassifier().fit(X, y, attribute=["a", "b", "c"])
    with pytest.raises(UsageError, match="no value in row 1"):
        GroupReweightedLogisticRegression().fit(X[:3], y[[0, -1, 0]], attribute=[1.0, float("nan"), 2.0])


@pytest.mark.filterwarnings("ignore::debias_pt.errors.DebiasWarning")
def test_words_ask_the_model(backbone: Backbone) -> None:
    X, y, _ = split("train")
    place = Attribute("background", {"land": ["a forest"], "water": ["a lake"]})
    model = DebiasedClassifier("dpt", attribute=place, backbone=backbone, steps=5).fit(X, y)
    assert model.groups_from_ == "words"
    assert model.groups_.source == "pseudo"
    assert model.facts_["attributes"][0]["name"] == "background"
    guarded = DebiasedClassifier(attribute=["background=land:water"], backbone=backbone, steps=5).fit(X, y)
    assert guarded.facts_["verdict"] == "not usable"  # a random model
    assert guarded.groups_from_ == "inferred"
    found = DebiasedClassifier(attribute="auto", backbone=backbone, steps=5).fit(X, y)
    assert found.groups_from_ in ("found", "inferred")


@pytest.mark.filterwarnings("ignore::debias_pt.errors.DebiasWarning")
def test_a_prompt_is_that_of_the_tuner(backbone: Backbone) -> None:
    X, y, place = split("train")
    model = DebiasedClassifier("dpt", backbone=backbone, head="prompt", steps=5, random_state=3)
    model.fit(X, y, attribute=place)
    seed = model.tuner_.seeds[0]
    table = gaussian_table().where("train")
    tuner = Tuner(backbone, method="dpt", steps=5, seed=seed, select="last").fit(table, model.groups_)
    np.testing.assert_allclose(model.predict_proba(X), tuner.predict_proba(X)[0], atol=1e-5)
    assert model.classes_.tolist() == ["landbird", "waterbird"]
