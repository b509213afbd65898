"""Promises: the mixture is what plain expectation-maximisation and scikit-learn make of it; it finds planted
attributes where the zero-shot scores lean, whatever their offset and scale; no attribute label is read; what cannot be
refined stays zero-shot and says so; runs keep it."""

from __future__ import annotations

import dataclasses
import math
import os
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from debias_pt.datasets.attributes import Attribute
from debias_pt.errors import DebiasWarning, UnknownNameError, UsageError
from debias_pt.features.table import FeatureTable
from debias_pt.groups.probe import AttributeProbe
from debias_pt.groups.refinement import RefinedProbe, RefinementError, calibrate, calibration, fit_mixture, refine
from debias_pt.groups.refinement.calibration import contrasts
from debias_pt.groups.refinement.mixture import AttributeMixture, shrunk
from debias_pt.groups.refinement.pooling import Refinement, calibrate_apart, pool, summary
from debias_pt.methods import complete
from debias_pt.models.backbone import Backbone
from debias_pt.settings import DataSettings, TrainSettings, resolve
from debias_pt.workflows.evaluate import evaluate
from debias_pt.workflows.job import make_job
from debias_pt.workflows.predict import predict
from debias_pt.workflows.prepare import prepare
from debias_pt.workflows.probe import probe
from debias_pt.workflows.report import report
from debias_pt.workflows.run_folder import RunFolder
from debias_pt.workflows.train import fit, train

PLACE = Attribute("background", {"land": ("forest",), "water": ("lake",)})
HUE = Attribute("hue", {"green": ("green",), "blue": ("blue",)})


@dataclasses.dataclass
class World:
    """Features with class and attribute directions; scores that see the attribute through noise and a lean."""

    x: np.ndarray
    scores: np.ndarray
    y: np.ndarray
    a: np.ndarray

    @classmethod
    def draw(cls, sizes: list[list[int]], lean: float, noise: float = 1.0, dim: int = 12, seed: int = 0) -> World:
        rng = np.random.default_rng(seed)
        k, v = len(sizes), len(sizes[0])
        y, a = (np.concatenate([np.full(sizes[i][j], (i, j)[z]) for i in range(k) for j in range(v)]) for z in (0, 1))
        x = rng.normal(size=(len(y), dim))
        x[:, :k] += 2.5 * np.eye(k)[y]
        x[:, k : k + v] += 3.0 * np.eye(v)[a]
        scores = 3.0 * np.eye(v)[a] + rng.normal(0, noise, (len(y), v)) + lean * np.eye(v)[0]
        return cls(x, scores, y, a)


UNEVEN = [[700, 40], [25, 300]]


def plain_em(
    x: np.ndarray, y: np.ndarray, share: np.ndarray, evidence: np.ndarray, weight: float, steps: int
) -> np.ndarray:
    """Every row once per value, weighted by its share: ordinary weighted regression and densities."""
    n, v, k = len(x), share.shape[1], int(y.max()) + 1
    for _ in range(steps):
        rows = [(i, j) for i in range(n) for j in range(v)]
        design = np.array([np.concatenate([np.eye(k)[y[i]], np.eye(v)[j][1:]]) for i, j in rows])
        root = np.sqrt([share[i, j] for i, j in rows])[:, None]
        target = np.array([x[i] for i, _ in rows])
        coefficients = np.linalg.lstsq(design * root, target * root, rcond=None)[0]
        residual = (target - design @ coefficients) * root
        covariance = shrunk(residual.T @ residual / n, n)
        overall = share.mean(axis=0)
        prior = [(share[y == c].sum(axis=0) + overall) / ((y == c).sum() + 1) for c in range(k)]
        new = np.zeros_like(share)
        for i in range(n):
            for j in range(v):
                mean = coefficients[y[i]] + (coefficients[k + j - 1] if j else 0)
                density = multivariate_normal(mean, covariance).pdf(x[i])
                new[i, j] = density**weight * np.exp(evidence[i, j]) * prior[y[i]][j]
        share = new / new.sum(axis=1, keepdims=True)
    return share


def test_mixture_equals_plain_expectation_maximisation() -> None:
    world = World.draw([[14, 6, 4], [3, 9, 9]], lean=0.5, dim=6)
    start, evidence = np.eye(3)[world.scores.argmax(axis=1)], 0.3 * world.scores
    for weight in (1.0, 0.5):
        options = {"n_classes": 2, "class_effects": True, "evidence": evidence, "weight": weight}
        _, found = fit_mixture(world.x, world.y, start, max_iterations=4, tolerance=0, **options)
        assert found == pytest.approx(plain_em(world.x, world.y, start, evidence, weight, 4), abs=1e-8)


@pytest.mark.parametrize("lean", [-2.5, 0.0, 2.5])
@pytest.mark.parametrize("sizes", [UNEVEN, [[300, 60, 30], [40, 40, 200]], [[200, 20], [20, 200], [100, 100]]])
def test_planted_attributes_are_found_where_scores_lean(sizes: list[list[int]], lean: float) -> None:
    world = World.draw(sizes, lean)
    zero_shot = (world.scores.argmax(axis=1) == world.a).mean()
    refined, facts = refine(world.x, world.scores, world.y, len(sizes))
    said = refined.posterior(world.x, world.scores, world.y, prior=True).argmax(axis=1)
    right = (said == world.a).mean()
    assert right > max(0.96, zero_shot)
    shares = np.array([np.bincount(world.a[world.y == k]) / (world.y == k).sum() for k in range(len(sizes))])
    assert np.array(facts["prior"]) == pytest.approx(shares, abs=0.05)
    for group in {(int(k), int(v)) for k, v in zip(world.y, world.a, strict=True)}:
        rows = (world.y == group[0]) & (world.a == group[1])
        assert (said[rows] == group[1]).mean() > 0.75


def test_features_go_beyond_the_calibration() -> None:
    world = World.draw(UNEVEN, lean=1.0, noise=1.8)
    right = []
    for in_features in (False, True):
        refined, _ = refine(world.x, world.scores, world.y, 2, in_features=in_features)
        said = refined.posterior(world.x, world.scores, world.y, prior=True).argmax(axis=1)
        right.append((said == world.a).mean())
    assert right[1] > right[0] + 0.02


@settings(max_examples=15)
@given(lean=st.floats(-20, 20), scale=st.floats(0.1, 50), in_features=st.booleans())
def test_offset_and_scale_of_the_scores_change_no_answer(lean: float, scale: float, in_features: bool) -> None:
    world = World.draw(UNEVEN, lean=0)
    moved = scale * world.scores + np.array([lean * scale, 0]) + 7.0
    answers = []
    for scores in (world.scores, moved):
        refined, _ = refine(world.x, scores, world.y, 2, in_features=in_features)
        answers.append(refined.posterior(world.x, scores, world.y, prior=True))
    assert np.abs(answers[0] - answers[1]).mean() < 1e-3
    assert (answers[0].argmax(axis=1) == answers[1].argmax(axis=1)).mean() > 0.998


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), in_features=st.booleans(), prior=st.booleans())
def test_rows_sum_to_one_and_their_order_does_not_matter(seed: int, in_features: bool, prior: bool) -> None:
    world = World.draw([[60, 10, 5], [5, 20, 40]], lean=1.0, seed=seed)
    order = np.random.default_rng(seed).permutation(len(world.y))
    answers = []
    for rows in (np.arange(len(order)), order):
        x, scores, y = world.x[rows], world.scores[rows], world.y[rows]
        refined, facts = refine(x, scores, y, 2, in_features=in_features)
        answers.append(refined.posterior(x, scores, y, prior=prior))
        assert answers[-1].sum(axis=1) == pytest.approx(1)
        assert (answers[-1] >= 0).all()
        assert np.array(facts["prior"]).sum(axis=1) == pytest.approx(1)
    assert answers[0][order] == pytest.approx(answers[1], abs=1e-5)


def test_a_class_of_one_value_and_a_class_without_rows() -> None:
    world = World.draw([[200, 0], [30, 200]], lean=0)
    refined, facts = refine(world.x, world.scores, world.y, 4)
    said = refined.posterior(world.x, world.scores, world.y, prior=True).argmax(axis=1)
    assert (said == world.a).mean() > 0.97
    assert facts["prior"][0][0] > 0.97
    assert facts["prior"][3] == pytest.approx(np.bincount(world.a) / len(world.a), abs=0.05)


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (np.zeros((40, 2)), "do not vary|left without samples"),
        (np.random.default_rng(0).normal(0, 1e-9, (40, 2)), "do not vary"),
        (np.random.default_rng(1).normal(0, 1, (40, 2)) @ [[1, 1], [1, 1]], "left without samples|do not vary"),
    ],
)
def test_scores_that_tell_nothing_are_refused(scores: np.ndarray, message: str) -> None:
    x, y = np.random.default_rng(2).normal(size=(40, 5)), np.arange(40) % 2
    with pytest.raises(RefinementError, match=message):
        refine(x, scores, y, 2)


def test_humps_that_run_together_are_refused() -> None:
    world = World.draw([[1900, 100], [100, 1900]], lean=0, noise=8)
    with pytest.raises(RefinementError, match="standard deviations apart, below 1"):
        refine(world.x, world.scores, world.y, 2)


def test_few_images_with_many_features_are_answered() -> None:
    world = World.draw([[8, 2], [2, 8]], lean=0, dim=64)
    refined, _ = refine(world.x, world.scores, world.y, 2)
    said = refined.posterior(world.x, world.scores, world.y, prior=True).argmax(axis=1)
    assert (said == world.a).mean() >= 0.9


def test_arrays_that_do_not_fit_are_refused() -> None:
    world = World.draw(UNEVEN, lean=0)
    with pytest.raises(UsageError, match="do not fit together"):
        refine(world.x[:-1], world.scores, world.y, 2)
    with pytest.raises(UsageError, match="two or more values"):
        refine(world.x, world.scores[:, :1], world.y, 2)


def test_calibration_keeps_the_values_names() -> None:
    world = World.draw([[300, 60, 30], [40, 40, 200]], lean=2.0)
    swapped = calibrate(world.scores[:, [2, 0, 1]], world.y, 2)
    plain = calibrate(world.scores, world.y, 2)
    assert swapped.prior == pytest.approx(plain.prior[:, [2, 0, 1]], abs=1e-3)


@pytest.fixture(scope="module")
def two(backbone: Backbone, table: FeatureTable) -> AttributeProbe:
    return AttributeProbe(backbone, [PLACE, HUE], table.class_names)


def refined_or_not(probe: AttributeProbe, table: FeatureTable, kind: str = "mixture") -> RefinedProbe:
    """Fit without minding that a random tower may read too little."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DebiasWarning)
        return RefinedProbe(probe, kind).fit(table)


def test_annotations_are_never_read(two: AttributeProbe, table: FeatureTable) -> None:
    blind = dataclasses.replace(table, attributes={})
    for kind in ("calibrated", "mixture"):
        seen, unseen = refined_or_not(two, table, kind), refined_or_not(two, blind, kind)
        assert seen.facts_ == unseen.facts_
        for one, other in zip(seen.answer(table), unseen.answer(blind), strict=True):
            assert (one.posterior == other.posterior).all()


def test_only_training_rows_are_fitted_and_only_they_use_class_shares(two: AttributeProbe, table: FeatureTable) -> None:
    refined = refined_or_not(two, table)
    assert refined.facts_["background"]["used"] == "mixture"
    train = table.split == "train"
    order = np.random.default_rng(0).permutation(np.flatnonzero(~train))
    features = table.features.copy()
    features[~train] = table.features[order]  # other images outside training
    again = refined_or_not(two, dataclasses.replace(table, features=features))
    for one, other in zip(refined.state_dict().items(), again.state_dict().items(), strict=True):
        assert one[0] == other[0]
        assert (one[1] == other[1]).all()
    for said, flat, shares in zip(
        refined.answer(table),
        refined.predict(table.features, table.y),
        refined.predict(table.features, table.y, prior=True),
        strict=True,
    ):
        assert (said.posterior[~train] == flat.posterior[~train]).all()
        assert (said.posterior[train] == shares.posterior[train]).all()


def test_state_comes_back(two: AttributeProbe, table: FeatureTable) -> None:
    refined = refined_or_not(two, table)
    loaded = RefinedProbe(two).load_state_dict(refined.state_dict())
    pairs = zip(refined.predict(table.features, table.y), loaded.predict(table.features, table.y), strict=True)
    assert all((a.posterior == b.posterior).all() for a, b in pairs)


def test_what_cannot_be_refined_stays_zero_shot_and_says_so(backbone: Backbone, table: FeatureTable) -> None:
    same = Attribute("same", {"one": ("forest",), "other": ("forest",)})
    zero_shot = AttributeProbe(backbone, [same, PLACE])
    with pytest.warns(DebiasWarning, match="the answers for 'same' stay zero-shot: "):
        refined = RefinedProbe(zero_shot).fit(table)
    assert refined.facts_["same"]["used"] == "zero-shot"
    assert "reason" in refined.facts_["same"]
    assert refined.facts_["background"]["used"] == "mixture"
    assert (refined.answer(table)[0].posterior == zero_shot.predict(table.features)[0].posterior).all()


def test_class_conditional_probes_are_refined(backbone: Backbone, table: FeatureTable) -> None:
    asked = dataclasses.replace(PLACE, templates=("a photo of a {class} on {attribute}.",))
    refined = refined_or_not(AttributeProbe(backbone, [asked], table.class_names), table)
    said = refined.answer(table)[0]
    assert said.posterior.sum(axis=1) == pytest.approx(1)


def test_unknown_kind_has_the_nearest_name(two: AttributeProbe) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'mixture'"):
        RefinedProbe(two, "mixtrue")


def test_an_unknown_probe_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="probe is 'mixtures' \\(did you mean 'mixture'\\?\\)"):
        DataSettings(probe="mixtures")


@pytest.fixture
def asked(waterbirds_root: Path, tiny_checkpoint: Path, cache_dir: Path, tmp_path: Path) -> TrainSettings:
    return TrainSettings(
        data_root=str(waterbirds_root),
        check_counts=False,
        pretrained=f"local-dir:{tiny_checkpoint}",
        workers=0,
        cache_dir=str(cache_dir),
        steps=6,
        out=str(tmp_path / "run"),
        attribute=("background=land|forest:water|lake",),
    )


@pytest.mark.filterwarnings("ignore::debias_pt.errors.DebiasWarning")
def test_a_run_keeps_its_probe(asked: TrainSettings, waterbirds_root: Path) -> None:
    result = train(dataclasses.replace(asked, method="dpt-mixture"))
    assert (result["method"], result["oracle"], result["probe"]["kind"]) == ("dpt-mixture", False, "mixture")
    run = RunFolder.open(Path(result["run"]))
    assert run.facts["probe"]["refinement"]["background"]["rows"] == 48
    assert run.facts["probe"]["refinement"] == result["probe"]["refinement"]
    evaluated = evaluate(result["run"])
    assert evaluated["groups"] == result["groups"]
    assert evaluated["probe"] == result["probe"]
    prepared = prepare(complete(dataclasses.replace(asked, method="dpt-mixture")))
    rows = np.flatnonzero(prepared.table.split == "test")[:3]
    images = [str(waterbirds_root / "waterbirds_v1.0" / prepared.table.ids[row]) for row in rows]
    said = predict(result["run"], images)["images"]
    labels = np.array([prepared.table.class_names.index(one["label"]) for one in said])
    assert prepared.refined is not None
    expected = prepared.refined.predict(prepared.table.features[rows], labels)[0]
    assert [one["attributes"]["background"]["confidence"] for one in said] == pytest.approx(
        expected.confidence.tolist(), abs=1e-3
    )


@pytest.mark.filterwarnings("ignore::debias_pt.errors.DebiasWarning")
def test_dpt_mixture_is_dpt_on_the_mixtures_groups(asked: TrainSettings) -> None:
    """Also where features were prepared for another method, as a suite does."""
    prepared = prepare(asked)
    assert prepared.probe == "zero-shot"
    named, spelt, plain = (
        fit(make_job(complete(dataclasses.replace(asked, **given)), prepared), None)  # type: ignore[arg-type]
        for given in ({"method": "dpt-mixture"}, {"method": "dpt", "probe": "mixture"}, {})
    )
    assert (named.class_weights_ == spelt.class_weights_).all()
    assert not (named.class_weights_ == plain.class_weights_).all()


@pytest.mark.filterwarnings("ignore::debias_pt.errors.DebiasWarning")
def test_probe_command_tells_what_was_fitted(asked: TrainSettings, capsys: pytest.CaptureFixture[str]) -> None:
    from debias_pt.cli.output import print_probe

    names = [field.name for field in dataclasses.fields(DataSettings)]
    options = {**{name: getattr(asked, name) for name in names}, "probe": "calibrated"}
    result = probe(DataSettings(**options))["probe"]
    assert [split for split, report in result.items() if "refinement" in report] == ["train"]
    assert {report["kind"] for report in result.values()} == {"calibrated"}
    print_probe("tiny, train", result["train"])
    assert "calibrated probe, fitted on 48 training images; changed" in capsys.readouterr().out
    result["train"]["refinement"]["background"] = {"used": "zero-shot", "reason": "no humps"}
    print_probe("tiny, train", result["train"])
    assert "zero-shot answers stay: no humps" in capsys.readouterr().out


def real_settings(assets: Path, cache_dir: Path, **options: Any) -> TrainSettings:
    cache = os.environ.get("DEBIAS_PT_CACHE", str(cache_dir))
    shared = {"data_root": str(assets), "pretrained": f"local-dir:{assets / 'litmini'}", "cache_dir": cache, "seeds": 5}
    return resolve(TrainSettings, shared, options)


def real_results(settings: TrainSettings, methods: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    prepared, results = prepare(settings), {}
    for method in methods:
        job = make_job(complete(dataclasses.replace(settings, method=method)), prepared)
        tuner = fit(job, None)
        answers = tuner.predict(prepared.table.where("test").features)
        results[method] = report(job, answers, tuner.seeds, "test")
        assert results[method]["attribute_labels_used"] == []
    return results


@pytest.mark.realdata
def test_real_waterbirds_without_labels_as_good_as_with(assets: Path, cache_dir: Path) -> None:
    """The refined probes are right more often, and the worst group gains more than any interval over seeds."""
    results = real_results(real_settings(assets, cache_dir), ("dpt", "dpt-mixture", "anchored"))
    worst = {method: result["worst_group_accuracy"] for method, result in results.items()}
    assert results["dpt-mixture"]["probe"]["accuracy"] > 0.95 > 0.91 > results["dpt"]["probe"]["accuracy"]
    assert worst["anchored"] > 0.82
    assert worst["anchored"] > worst["dpt-mixture"] + 0.05 > worst["dpt"] + 0.08
    assert results["anchored"]["probe"]["guard"]["verdict"] == "usable"
    assert results["anchored"]["average_accuracy"] > results["dpt"]["average_accuracy"]


@pytest.mark.realdata
def test_real_pacs_where_words_alone_name_another_cut(assets: Path, cache_dir: Path) -> None:
    """The biased head is certain of the style that the words hardly see."""
    words = "style=colour|a photo|a colourful painting|a cartoon:sketch|a black and white sketch|a pencil drawing"
    own = {"label_column": "label", "split_column": "split", "attribute_column": ["style"], "attribute": [words]}
    settings = real_settings(assets, cache_dir, dataset=str(assets / "pacs" / "style.csv"), **own)
    results = real_results(settings, ("dpt", "anchored"))
    assert results["anchored"]["probe"]["accuracy"] > 0.98
    assert results["anchored"]["probe"]["refinement"]["style"]["confirmed"]
    assert results["anchored"]["worst_group_accuracy"] > 0.40 > 0.25 > results["dpt"]["worst_group_accuracy"]


def test_words_and_features_count_half_each() -> None:
    """An image is seen by both: their product would count it twice. By plain expectation-maximisation."""
    world = World.draw([[30, 6], [5, 25]], lean=0, noise=1.5, dim=4)
    evidence = 1.5 * (world.scores - world.scores.mean(axis=1, keepdims=True))
    mixture, share = pool(world.x, world.y, evidence, 2)
    start = np.eye(2)[evidence.argmax(axis=1)]
    expected = plain_em(world.x, world.y, start, 0.5 * evidence, 0.5, 30)
    assert mixture.iterations <= 200
    assert share == pytest.approx(expected, abs=2e-3)


def test_a_refined_probe_answers_its_training_rows_as_the_mixture_does() -> None:
    world = World.draw(UNEVEN, lean=0, noise=2.0)
    refined, facts = refine(world.x, world.scores, world.y, 2)
    weights, bias = calibrate_apart(world.scores, world.y, 2).linear()
    mixture, share = pool(world.x, world.y, contrasts(world.scores) @ weights.T + bias[0], 2)
    found = refined.posterior(world.x, world.scores, world.y, prior=True)
    assert np.abs(found - share).max() < 1e-3
    assert facts["confident_rows"] == (share.max(axis=1) > 0.95).sum()
    assert facts["share_changed"] == np.mean(share.argmax(axis=1) != world.scores.argmax(axis=1))
    assert facts["prior"] == mixture.prior.tolist()
    equal = refined.posterior(world.x, world.scores, world.y)
    odds = (found / equal) / (found / equal)[:, :1]
    assert odds[:, 1] == pytest.approx((mixture.prior[:, 1] / mixture.prior[:, 0])[world.y], rel=1e-6)


def test_a_peak_that_lies_where_another_value_scores_highest_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World.draw(UNEVEN, lean=0)
    right = calibrate(world.scores, world.y, 2)
    turned = replace(right, effect=right.effect[::-1])
    monkeypatch.setattr(calibration, "fit_mixture", lambda *_, **__: (turned, None))
    with pytest.raises(RefinementError, match="do not belong to one value each"):
        calibrate(world.scores, world.y, 2)


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
