"""Promises: the biased head never saw the row it judges; two sources are one mixture, by plain loops; a biased head
takes over only where it is certain and the words still fit; rows that were not fitted are answered by evidence
alone, with their own shares; no attribute label is read."""

from __future__ import annotations

import dataclasses
import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import helmert
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from debias_pt.datasets.attributes import Attribute
from debias_pt.errors import DebiasWarning
from debias_pt.features.table import FeatureTable
from debias_pt.groups.probe import AttributeProbe
from debias_pt.groups.refinement import RefinedProbe, RefinementError, calibrate, confirmation
from debias_pt.groups.refinement.anchored import anchor, with_estimated_shares
from debias_pt.groups.refinement.biased_head import STRENGTH, BiasedHead, fit_biased_head
from debias_pt.groups.refinement.calibration import contrasts
from debias_pt.groups.refinement.confirmation import ValueEvidence, apart, confirm, posterior, std_within_classes
from debias_pt.groups.refinement.mixture import AttributeMixture
from debias_pt.groups.refinement.pooling import calibrate_apart
from debias_pt.models.backbone import Backbone


@dataclasses.dataclass
class World:
    """Features with directions of class and attribute; two scores that see the attribute through noise."""

    x: np.ndarray
    scores: np.ndarray
    y: np.ndarray
    a: np.ndarray


def draw(sizes: list[list[int]], *, shortcut: float, words: float, seed: int = 0, dim: int = 10) -> World:
    rng = np.random.default_rng(seed)
    cells = [(k, v) for k, row in enumerate(sizes) for v, n in enumerate(row) for _ in range(n)]
    y, a = (np.array(column) for column in zip(*cells, strict=True))
    x = rng.normal(size=(len(y), dim))
    x[:, 0] += 0.5 * y
    x[:, 1] += shortcut * a
    scores = words * np.eye(2)[a] + rng.normal(size=(len(y), 2))
    return World(x, scores, y, a)


SKEWED = [[380, 20], [20, 380]]


@pytest.mark.parametrize("classes", [2, 3])
def test_held_out_logits_come_from_heads_that_did_not_see_the_row(classes: int) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(90) % classes
    x = rng.normal(size=(90, 6)) + y[:, None]
    found = fit_biased_head(x, y, classes)
    split = StratifiedKFold(5, shuffle=True, random_state=0)
    for seen, unseen in split.split(x, y):
        head = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=1000))
        theirs = head.fit(x[seen], y[seen]).decision_function(x[unseen])
        ours = found.held_out[unseen]
        if classes == 2:
            assert ours[:, 1] - ours[:, 0] == pytest.approx(theirs)
        else:
            assert ours == pytest.approx(theirs - theirs.mean(axis=1, keepdims=True))
    assert found.held_out.sum(axis=1) == pytest.approx(0)
    assert found.logits(x).shape == (90, classes)


def test_a_biased_head_confirms_what_weak_words_name() -> None:
    world = draw(SKEWED, shortcut=9.0, words=2.0)
    calibration = calibrate(world.scores, world.y, 2)
    evidence = confirm(fit_biased_head(world.x, world.y, 2), world.scores, world.y, calibration)
    assert evidence.facts["confirmed"]
    named = evidence.training.argmax(axis=1)
    words = (contrasts(world.scores) @ calibration.linear()[0].T + calibration.linear()[1][0]).argmax(axis=1)
    assert (named == world.a).mean() > 0.98 > 0.95 > (words == world.a).mean()


@pytest.mark.parametrize(
    ("sizes", "shortcut"), [(SKEWED, 1.0), ([[200, 200], [200, 200]], 9.0)], ids=["hardly seen", "no shortcut"]
)
def test_words_keep_the_word_where_a_biased_head_is_not_certain(sizes: list[list[int]], shortcut: float) -> None:
    world = draw(sizes, shortcut=shortcut, words=4.0)
    calibration = calibrate(world.scores, world.y, 2)
    evidence = confirm(fit_biased_head(world.x, world.y, 2), world.scores, world.y, calibration)
    assert not evidence.facts["confirmed"]
    assert (evidence.feature_weights == 0).all()
    weights, bias = calibration.linear()
    assert evidence.training == pytest.approx(contrasts(world.scores) @ weights.T + bias[world.y])


def test_words_that_name_something_else_are_not_confirmed() -> None:
    """The head finds two clear humps, but the words are noise to them."""
    world = draw(SKEWED, shortcut=9.0, words=0.0)
    other = np.random.default_rng(5).integers(0, 2, len(world.y))
    scores = world.scores + 5.0 * np.eye(2)[other]
    evidence = confirm(fit_biased_head(world.x, world.y, 2), scores, world.y, calibrate(scores, world.y, 2))
    assert not evidence.facts["confirmed"]
    assert evidence.facts["words_in_logits"] < 0.35


def test_confirmed_evidence_is_linear_in_scores_and_features() -> None:
    """A new row's evidence is what the mixture says of it, its logits being the mean over the folds' heads."""
    world = draw(SKEWED, shortcut=9.0, words=2.0)
    answers = anchor(world.x, world.scores, world.y, 2)
    new = draw([[50, 50], [50, 50]], shortcut=9.0, words=2.0, seed=9)
    posterior = answers.refinement.posterior(new.x, new.scores, new.y)
    assert (posterior.argmax(axis=1) == new.a).mean() > 0.97
    head = fit_biased_head(world.x, world.y, 2)
    moved = new.x + 3.0 * head.weights[1] / np.linalg.norm(head.weights[1]) ** 2
    step = helmert(2) @ (head.logits(moved) - head.logits(new.x)).T
    assert np.ptp(step) == pytest.approx(0, abs=1e-9)
    before, after = (np.log(answers.refinement.posterior(x, new.scores, new.y)) for x in (new.x, moved))
    change = (after - before)[:, 1] - (after - before)[:, 0]
    assert np.ptp(change) == pytest.approx(0, abs=1e-6)


def test_training_rows_are_ordered_well_and_others_without_the_features() -> None:
    world = draw(SKEWED, shortcut=2.0, words=3.0)
    answers = anchor(world.x, world.scores, world.y, 2)
    assert not answers.facts["confirmed"]
    minority = world.a != world.y
    suspicion = np.where(world.y == 0, answers.training[:, 1], answers.training[:, 0])
    words = np.where(world.y == 0, 1, -1) * (world.scores[:, 1] - world.scores[:, 0])
    assert roc_auc_score(minority, suspicion) > roc_auc_score(minority, words)
    elsewhere = np.random.default_rng(3).normal(size=world.x.shape)
    flat = answers.refinement.posterior(elsewhere, world.scores, world.y)
    assert flat == pytest.approx(answers.refinement.posterior(world.x, world.scores, world.y))


@given(st.integers(0, 10_000), st.integers(2, 3), st.integers(1, 3))
def test_estimated_shares_are_saerens_latinne_decaestecker(seed: int, values: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, 25)
    posterior = rng.dirichlet(np.ones(values), 25)
    found = with_estimated_shares(posterior, y, classes, iterations=4)
    share = posterior.copy()
    for _ in range(4):
        new = share.copy()
        for k in range(classes):
            rows = np.flatnonzero(y == k)
            prior = [(share[rows, v].sum() + 1 / values) / (len(rows) + 1) for v in range(values)]
            for i in rows:
                weighted = posterior[i] * prior
                new[i] = weighted / weighted.sum()
        share = new
    assert found == pytest.approx(share, abs=1e-9)
    assert found.sum(axis=1) == pytest.approx(1)


def test_separation_of_columns_is_that_of_the_classwise_means() -> None:
    world = draw([[60, 60], [60, 60]], shortcut=5.0, words=1.0)
    columns = world.x[:, 1:2]
    within = [columns[(world.y == k) & (world.a == v)] for k in range(2) for v in range(2)]
    difference = np.mean([within[1].mean() - within[0].mean(), within[3].mean() - within[2].mean()])
    pooled = np.sqrt(np.mean([part.var() for part in within]))
    assert apart(columns, world.y, np.eye(2)[world.a]) == pytest.approx(difference / pooled, rel=0.02)


PLACE = Attribute("background", {"land": ("forest",), "water": ("lake",)})


def fitted(backbone: Backbone, table: FeatureTable, *attributes: Attribute) -> RefinedProbe:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DebiasWarning)
        return RefinedProbe(AttributeProbe(backbone, attributes, table.class_names), "anchored").fit(table)


def test_annotations_are_never_read(backbone: Backbone, table: FeatureTable) -> None:
    blind = dataclasses.replace(table, attributes={})
    seen, unseen = fitted(backbone, table, PLACE), fitted(backbone, blind, PLACE)
    assert seen.facts_ == unseen.facts_
    assert (seen.answer(table)[0].posterior == unseen.answer(blind)[0].posterior).all()


def test_what_cannot_be_refined_is_left_open(backbone: Backbone, table: FeatureTable) -> None:
    same = Attribute("same", {"one": ("forest",), "other": ("forest",)})
    with pytest.warns(DebiasWarning, match="the answers for 'same' are left open: "):
        refined = RefinedProbe(AttributeProbe(backbone, [same]), "anchored").fit(table)
    assert (refined.answer(table)[0].posterior == 0.5).all()


def test_state_comes_back_for_new_images(backbone: Backbone, table: FeatureTable) -> None:
    refined = fitted(backbone, table, PLACE)
    probe = AttributeProbe(backbone, [PLACE], table.class_names)
    loaded = RefinedProbe(probe, "anchored").load_state_dict(refined.state_dict())
    one, other = (probe.predict(table.features, table.y)[0].posterior for probe in (refined, loaded))
    assert (one == other).all()


def test_columns_are_measured_within_classes() -> None:
    """Class 0: 0, 2; class 1: 10, 14: deviations 1, 1, 2, 2; a class without rows is left alone."""
    columns, y = np.array([[0.0], [2.0], [10.0], [14.0]]), np.array([0, 0, 1, 1])
    assert std_within_classes(columns, y, 3) == pytest.approx([math.sqrt(2.5)])
    assert std_within_classes(np.ones((4, 1)), y, 2)[0] == pytest.approx(1e-12)


def test_a_posterior_is_evidence_and_shares() -> None:
    found = posterior(np.array([[0.0, math.log(2)]]), np.array([[0.5, 0.5], [0.8, 0.2]]), np.array([1]))
    assert found[0] == pytest.approx([0.8 / 1.2, 0.4 / 1.2])


def test_what_the_words_say_alone() -> None:
    mixture = AttributeMixture(np.zeros((2, 1)), np.array([[0.0], [2.0]]), np.array([[4.0]]), np.full((2, 2), 0.5))
    scores, y = np.array([[3.0, 1.0], [0.0, 0.0]]), np.array([0, 1])
    found = ValueEvidence.of_words(mixture, scores, y, 5, {"confirmed": False})
    assert found.training == pytest.approx(np.array([[0, math.sqrt(2) / 2 - 0.5], [0, -0.5]]))
    assert (found.feature_weights.shape, found.feature_weights.any()) == ((2, 5), np.False_)
    assert found.facts == {"confirmed": False}
    assert contrasts(scores) == pytest.approx(np.array([[math.sqrt(2)], [0.0]]))


@pytest.mark.parametrize(
    ("in_logits", "anchor", "confirmed"), [(4.0, 0.5, True), (3.99, 0.5, False), (4.0, 0.49, False), (9.0, 2.0, True)]
)
def test_a_biased_head_confirms_from_four_deviations_and_half_the_words_on(
    monkeypatch: pytest.MonkeyPatch, in_logits: float, anchor: float, confirmed: bool
) -> None:
    """The distances in question are set; the rest is as it is."""
    rng = np.random.default_rng(0)
    y, a = np.repeat([0, 1], 40), np.tile(np.repeat([0, 1], 20), 2)
    scores = 4.0 * np.eye(2)[a] + rng.normal(size=(80, 2))
    logits = 3.0 * np.eye(2)[a] + np.eye(2)[y] + 0.3 * rng.normal(size=(80, 2))
    head = BiasedHead(rng.normal(size=(2, 3)), rng.normal(size=2), logits - logits.mean(axis=1, keepdims=True))
    calibration = calibrate_apart(scores, y, 2)
    distances = iter([2.0 * anchor, 2.0, in_logits, 1.5])  # of the words before and after, of the logits twice
    monkeypatch.setattr(confirmation, "apart", lambda *_: next(distances))
    found = confirm(head, scores, y, calibration)
    assert found.facts == {
        "words_in_logits": 1.5, "logit_separation": in_logits, "anchor": anchor, "confirmed": confirmed,
    }  # fmt: skip
    assert bool(found.feature_weights.any()) == confirmed
    # Linear in scores and features: what is said of training rows follows from the head's own logits of them.
    if confirmed:
        x = np.linalg.lstsq(head.weights, (head.held_out - head.bias).T, rcond=None)[0].T
        again = contrasts(scores) @ found.score_weights.T + x @ found.feature_weights.T + found.bias[y]
        assert again == pytest.approx(found.training, abs=1e-6)


def test_a_biased_head_needs_two_images_of_each_class() -> None:
    x = np.array([[0.0, 1], [0, 2], [1, 1], [1, 3]])
    for y, classes in (([0, 0, 0, 1], 2), ([0, 0, 0, 0], 1), ([0, 0, 1, 1], 3)):
        with pytest.raises(RefinementError, match="needs two classes, and two training images of each"):
            fit_biased_head(x, np.array(y), classes)
    head = fit_biased_head(x, np.array([0, 0, 1, 1]), 2)
    assert head.held_out.sum(axis=1) == pytest.approx(np.zeros(4))
    assert head.logits(x[:1]) == pytest.approx(x[:1] @ head.weights.T + head.bias)
    assert (head.weights.shape, head.bias.shape) == ((2, 2), (2,))
