"""Promises: what mixtures, biased heads and refined probes compute, in small cases worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from debias_pt.datasets.attributes import Attribute
from debias_pt.errors import DebiasWarning
from debias_pt.features.table import FeatureTable, table_from_arrays
from debias_pt.groups import inferred_groups
from debias_pt.groups.groups import Groups
from debias_pt.groups.inferred_groups import infer_groups, inferred_text
from debias_pt.groups.probe import AttributeProbe
from debias_pt.groups.refinement import confirmation, inferred
from debias_pt.groups.refinement.biased_head import BiasedHead, fit_biased_head
from debias_pt.groups.refinement.calibration import contrasts
from debias_pt.groups.refinement.confirmation import Evidence, apart, confirm, posterior, std_within_classes
from debias_pt.groups.refinement.inferred import infer
from debias_pt.groups.refinement.mixture import AttributeMixture, RefinementError, fit_mixture, maximise, shrunk
from debias_pt.groups.refinement.pooling import Refinement, calibrate_apart, refine, summary
from debias_pt.models.backbone import Backbone

ONE_CLASS = np.zeros(4, dtype=np.int64)
FOUR = np.array([[0.0], [2.0], [4.0], [6.0]])
FIRST_TWO = np.eye(2)[[0, 0, 1, 1]]


def test_a_mixture_in_one_dimension() -> None:
    """Means 0 and 2, variance 4: the log-likelihood ratio is x / 2 - 1 / 2, the distance 1."""
    mixture = AttributeMixture(np.zeros((1, 1)), np.array([[0.0], [2.0]]), np.array([[4.0]]), np.array([[0.5, 0.5]]))
    weights, bias = mixture.linear()
    assert (weights.tolist(), bias.tolist()) == ([[0], [0.5]], [[0, -0.5]])
    found = mixture.log_likelihood(np.array([[1.0], [0.0]]), np.array([0, 0]))
    constant = -0.5 * math.log(2 * math.pi * 4)
    assert found[0] == pytest.approx([constant - 1 / 8, constant - 1 / 8])
    assert found[1] == pytest.approx([constant, constant - 1 / 2])
    assert mixture.separation == pytest.approx(1)
    moved = replace(mixture, base=np.array([[3.0]]))
    assert moved.linear()[1].tolist() == [[0, -2]]


def test_the_likeliest_mixture_of_four_rows() -> None:
    """Rows 0, 2 and 4, 6: means 1 and 5, variance 1, shares 1/2."""
    x = FOUR - 3
    found = maximise(x, x.T @ x, np.ones((4, 1)), FIRST_TWO, class_effects=True)
    assert found.base[0, 0] + 3 == pytest.approx(1)
    assert found.effect[:, 0].tolist() == pytest.approx([0, 4])
    assert found.covariance[0, 0] == pytest.approx(1)
    assert found.prior[0] == pytest.approx([0.5, 0.5])
    assert apart(FOUR, ONE_CLASS, FIRST_TWO) == pytest.approx(4)


def test_shares_of_a_class_take_one_sample_of_all() -> None:
    """Class 0 has three of the first value, class 1 one of the second: (3 + 3/4) / 4 and (0 + 3/4) / 2."""
    classes, share = np.eye(2)[[0, 0, 0, 1]], np.eye(2)[[0, 0, 0, 1]]
    x = FOUR - 3
    found = maximise(x, x.T @ x, classes, share, class_effects=False)
    assert found.prior.tolist() == pytest.approx(np.array([[3.75 / 4, 0.25 / 4], [0.75 / 2, 1.25 / 2]]))
    assert found.base[0] == pytest.approx(found.base[1])  # classes move nothing
    with pytest.raises(RefinementError, match="value 1 of 2 is left without samples"):
        maximise(x, x.T @ x, np.ones((4, 1)), np.array([[1.0, 0]] * 3 + [[0.5, 0.5]]), class_effects=True)


def test_fitting_goes_on_until_nothing_moves_or_steps_end() -> None:
    x = np.array([[-5.0], [-5.2], [-4.8], [5.0], [5.2], [4.8]])
    y = np.zeros(6, dtype=np.int64)
    start = np.eye(2)[[0, 0, 0, 1, 1, 1]]
    mixture, share = fit_mixture(x, y, start, n_classes=1, class_effects=False)
    assert mixture.iterations == 1  # the first answers were right
    assert share.argmax(axis=1).tolist() == [0, 0, 0, 1, 1, 1]
    assert (mixture.base[0, 0], mixture.base[0, 0] + mixture.effect[1, 0]) == pytest.approx((-5, 5))
    slow = np.array([[0.6, 0.4]] * 3 + [[0.4, 0.6]] * 3)
    assert fit_mixture(x, y, slow, n_classes=1, class_effects=False, max_iterations=2)[0].iterations == 2
    told = np.array([[0.0, 1e6]] * 6)  # evidence for the second value everywhere
    with pytest.raises(RefinementError, match="left without samples"):
        fit_mixture(x, y, start, n_classes=1, class_effects=False, evidence=told, weight=0.5)


def test_what_does_not_vary_has_no_covariance() -> None:
    with pytest.raises(RefinementError, match="do not vary within groups"):
        shrunk(np.zeros((2, 2)), 5)
    assert shrunk(np.eye(3), 5) == pytest.approx(np.eye(3))


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
    found = Evidence.of_words(mixture, scores, y, 5, {"confirmed": False})
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


def test_twenty_classes_are_not_too_many() -> None:
    features, y = np.random.default_rng(0).normal(size=(42, 3)), np.arange(42) % 21
    with pytest.raises(RefinementError, match="21 classes are too many"):
        infer(features, y, 21)
    with pytest.raises(RefinementError, match="needs two classes, and two"):  # twenty are asked for images
        infer(features[:20], y[:20], 20)


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


def test_a_refinement_adds_features_scores_and_shares() -> None:
    refined = Refinement(
        np.array([[0.0], [1.0]]), np.array([[0.0, 0.5], [0.0, -0.5]]), np.array([[0.0], [2.0]]), np.array([0.0, 0.25]),
        np.array([[0.5, 0.5], [0.9, 0.1]]),
    )  # fmt: skip
    features, scores, y = np.array([[2.0]]), np.array([[math.sqrt(2), 0.0]]), np.array([1])
    logit = 2.0 - 0.5 + 2.0 * 1.0 + 0.25
    assert refined.posterior(features, scores, y)[0, 1] == pytest.approx(1 / (1 + math.exp(-logit)))
    with_shares = refined.posterior(features, scores, y, prior=True)[0, 1]
    assert with_shares == pytest.approx(1 / (1 + math.exp(-logit - math.log(0.1 / 0.9))))


def test_facts_of_answers() -> None:
    """Of three rows one is called otherwise than the scores say, and one is above .95."""
    answers, scores = np.array([[0.96, 0.04], [0.95, 0.05], [0.2, 0.8]]), np.array([[1.0, 0], [0, 1], [0, 1]])
    found = summary(answers, scores, np.array([[0.5, 0.5]]))
    assert found == {"prior": [[0.5, 0.5]], "share_changed": pytest.approx(1 / 3), "rows": 3, "confident_rows": 1}


def test_humps_need_a_standard_deviation_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, y = np.zeros((2, 2)), np.zeros(2, dtype=np.int64)
    for gap, fits in ((1.0, True), (0.99, False)):
        mixture = AttributeMixture(np.zeros((1, 1)), np.array([[0.0], [gap]]), np.eye(1), np.array([[0.5, 0.5]]))
        monkeypatch.setattr("debias_pt.groups.refinement.pooling.calibrate", lambda *_, found=mixture: found)
        if fits:
            assert calibrate_apart(scores, y, 1) is mixture
        else:
            with pytest.raises(RefinementError, match=r"lie 0\.99 standard deviations apart, below 1 their"):
                calibrate_apart(scores, y, 1)


@pytest.mark.parametrize("templates", [("{attribute}.",), ("a {class} on {attribute}.",)])
def test_mapped_features_are_asked_block_by_block(
    backbone: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, templates: tuple[str, ...]
) -> None:
    place = Attribute("place", {"land": ("land",), "water": ("water",)}, templates)
    asked = AttributeProbe(backbone, [place], ("cat", "dog"))
    rows = np.random.default_rng(0).normal(size=(7, 24)).astype(np.float32)
    y = np.array([0, 1, 1, 0, 1, 0, 1])
    np.save(tmp_path / "rows.npy", rows)
    (whole,) = asked.scores(rows, y)
    of_class = asked.weights_[0].numpy()
    words = of_class[y] if len(of_class) > 1 else of_class[[0] * len(y)]
    assert whole == pytest.approx(backbone.logit_scale * np.einsum("nd,nvd->nv", rows, words), rel=1e-4)
    monkeypatch.setattr("debias_pt.utils.row_blocks.ROWS_AT_A_TIME", 3)
    (parts,) = asked.scores(np.load(tmp_path / "rows.npy", mmap_mode="r"), y)
    assert parts == pytest.approx(whole, rel=1e-6)
    assert asked.predict(rows, y)[0].posterior == pytest.approx(
        np.exp(whole) / np.exp(whole).sum(axis=1, keepdims=True)
    )


def test_scores_alone_use_no_features() -> None:
    rng = np.random.default_rng(0)
    a = np.repeat([0, 1], 50)
    scores = 5.0 * np.eye(2)[a] + rng.normal(size=(100, 2))
    refined, facts = refine(rng.normal(size=(100, 3)), scores, np.zeros(100, dtype=np.int64), 1, in_features=False)
    assert (refined.feature_weights.shape, refined.feature_weights.any()) == ((2, 3), np.False_)
    assert not refined.feature_bias.any()
    assert len(facts["iterations"]) == 1
    assert "feature_separation" not in facts
    both, more = refine(rng.normal(size=(100, 3)), scores, np.zeros(100, dtype=np.int64), 1)
    assert both.score_weights == pytest.approx(0.5 * refined.score_weights)
    assert both.score_bias == pytest.approx(0.5 * refined.score_bias)
    assert len(more["iterations"]) == 2
