"""Promises: every row of the group-robustness suite equals a plain implementation of its method; a row's two columns
come from one fit and are those of two."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from debias_pt.benchmarks.group_robustness.case import Case, Fitted
from debias_pt.benchmarks.group_robustness.groupings import Classes, Pseudo, Shuffled
from debias_pt.benchmarks.group_robustness.minority_recall import minority_report
from debias_pt.benchmarks.group_robustness.rivals import dfr
from debias_pt.benchmarks.group_robustness.rivals.afr import AFR, afr_weights, second_layer
from debias_pt.benchmarks.group_robustness.rivals.confusion_cells import ConfusionCells, IndependentCells
from debias_pt.benchmarks.group_robustness.rivals.dfr import DFR, balanced
from debias_pt.benchmarks.group_robustness.rivals.jtt import JTT, UpWeight
from debias_pt.benchmarks.group_robustness.rivals.loop import Loop
from debias_pt.benchmarks.group_robustness.rivals.ppa import PPA
from debias_pt.benchmarks.group_robustness.rivals.probe_ensemble import HEAD, ProbeEnsemble
from debias_pt.benchmarks.group_robustness.rivals.projection import calibrated, off_span
from debias_pt.benchmarks.group_robustness.rivals.separation import Separation
from debias_pt.benchmarks.group_robustness.rivals.zero_shot import TEMPLATES as TEMPLATES_OF_CLASSES
from debias_pt.benchmarks.group_robustness.rows import ROWS, choose, has_the_controls_head
from debias_pt.datasets.attributes import TEMPLATES
from debias_pt.errors import UsageError
from debias_pt.groups.groups import Groups
from debias_pt.models.backbone import Backbone
from debias_pt.models.heads import LinearHead
from debias_pt.models.zero_shot import zero_shot_weights
from debias_pt.reweighting import make_reweighter
from debias_pt.training.tuner import Tuner
from tests.helpers.small_case import PLACE, Floats, descend, gaussian_case, held_out, training_rows

pytestmark = pytest.mark.usefixtures("one_thread")
Weigh = Callable[[Floats, Floats], Floats]


@pytest.fixture(scope="module")
def case(backbone: Backbone) -> Case:
    return gaussian_case(backbone)


def starts(case: Case) -> list[Floats]:
    """The random first weights of each seed: the one thing that plain descent takes from the library."""
    dim = case.prepared.backbone.dim
    return [LinearHead(dim, 2, seeds=[seed]).weight.detach().double().numpy()[0] for seed in case.seeds]


def same(fitted: Fitted, weights: list[Floats], case: Case) -> bool:
    """Whether predictions on the test rows are those of plain class weights, but for ties by rounding."""
    features = held_out(case).features
    expected = np.stack([(features @ w.T).argmax(axis=1) for w in weights])
    return float((fitted.predict(features) == expected).mean()) > 0.997


def group_sizes(groups: NDArray[np.int64]) -> Floats:
    return np.bincount(groups, minlength=4).astype(float)


def weighing(method: str, groups: NDArray[np.int64], y: NDArray[np.int64]) -> Weigh:
    """The methods' formulas in plain NumPy, full-batch, with their default options."""
    sizes, n = group_sizes(groups), len(y)
    state = {"dpt": (1 / sizes)[groups] * n / (1 / sizes)[groups].sum(), "q": np.full(4, 0.25)}

    def weigh(p: Floats, losses: Floats) -> Floats:
        if method == "erm":
            return np.ones(n)
        if method == "class-balanced":
            return n / (2 * np.bincount(y)[y])
        if method == "balanced":
            return n / (4 * sizes[groups])
        if method == "cvar":
            worst = np.argsort(-losses)[: int(0.2 * n)]  # 0.2 * 400 samples: no one at the edge
            return np.isin(np.arange(n), worst) / 0.2
        if method == "group-dro":
            means = np.array([losses[groups == g].mean() for g in range(4)])
            state["q"] = state["q"] * np.exp(0.1 * means)
            state["q"] /= state["q"].sum()
            return n * (state["q"] / sizes)[groups]
        p_bar = np.array([p[groups == g].mean() for g in range(4)])
        w_hat = (np.exp(2.0 * (1 - p_bar)) / sizes)[groups]
        state["dpt"] = 0.9 * state["dpt"] + 0.1 * w_hat / w_hat.mean()
        return state["dpt"]

    return weigh


@pytest.mark.parametrize(
    "name",
    [
        *("erm", "class-balanced", "cvar", "balanced", "group-dro", "dpt", "balanced-shuffled", "dpt-shuffled"),
        *("balanced-true", "group-dro-true", "dpt-true", "linear", "linear-dpt", "linear-dpt-true"),
    ],
)
def test_rows_of_the_loop_equal_plain_descent(name: str, case: Case) -> None:
    fit = ROWS[name].fit
    assert isinstance(fit, Loop)
    prepared = case.prepared
    used = prepared.true if name.endswith("-true") else prepared.pseudo
    used = Shuffled()(case) if name.endswith("-shuffled") else used
    assert used is not None
    groups = used.index[prepared.table.split == "train"]
    x, y = training_rows(case)
    weights = [descend(x, y, w, case, weighing(str(fit.options["method"]), groups, y)) for w in starts(case)]
    assert same(fit(case), weights, case)


def test_the_methods_differ_on_this_case(case: Case) -> None:
    """The comparison above would not notice a row that ignores its weights if all methods predicted the same."""
    features = held_out(case).features
    said = {name: ROWS[name].fit(case).predict(features)[0] for name in ("erm", "cvar", "balanced", "dpt-true", "jtt")}
    names = list(said)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            assert (said[one] != said[other]).mean() > 0.005, (one, other)


def test_shuffling_keeps_sizes_and_loses_the_attribute(case: Case) -> None:
    pseudo, shuffled = case.prepared.pseudo, Shuffled()(case)
    for split in ("train", "val", "test"):
        rows = case.split(split)
        assert shuffled.rows(rows).counts.tolist() == pseudo.rows(rows).counts.tolist()
    train = case.split("train")
    moved = shuffled.attribute[train] != pseudo.attribute[train]
    assert moved.mean() > 0.1  # about 2 * share * (1 - share), over both classes
    assert np.array_equal(shuffled.posterior, Shuffled()(case).posterior)
    assert not np.array_equal(shuffled.posterior, Shuffled(seed=1)(case).posterior)


def test_jtt_equals_two_plain_trainings(case: Case) -> None:
    x, y = training_rows(case)
    weights, errors = [], []
    for start in starts(case):
        early = descend(x, y, start, case, lambda p, losses: np.ones(len(p)), steps=5)
        wrong = (x @ early.T).argmax(axis=1) != y
        by_hand = np.where(wrong, 10.0, 1.0) / np.where(wrong, 10.0, 1.0).mean()
        weights.append(descend(x, y, start, case, lambda p, losses, w=by_hand: w))  # type: ignore[misc]
        errors.append(wrong)
    fitted = JTT(early=0.2, factor=10.0)(case)
    assert same(fitted, weights, case)
    assert fitted.flagged is not None
    assert (fitted.flagged == np.stack(errors)).mean() > 0.997
    assert 0 < np.stack(errors).mean() < 0.5


def test_jtt_weights_by_hand() -> None:
    scheduler = UpWeight(factor=4.0)
    membership = torch.eye(4)[[0, 0, 1, 2]]  # class 0 right, right, wrong; class 1 right
    scheduler.start(membership, torch.tensor([0, 0, 1, 1]), runs=1)
    p = torch.full((1, 4), 0.5)
    assert scheduler(p, -p.log(), membership)[0].tolist() == pytest.approx([4 / 7, 4 / 7, 16 / 7, 4 / 7])


@pytest.mark.parametrize("probe", [False, True])
def test_ppa_equals_its_three_steps(case: Case, probe: bool) -> None:
    prepared = case.prepared
    x, y = training_rows(case)
    classes = prepared.backbone.encode_text([f"a photo of a {c}." for c in prepared.table.class_names]).double().numpy()
    basis, _ = np.linalg.qr(classes.T)
    off = x - x @ basis @ basis.T
    priors = np.log(np.bincount(y) / len(y))
    ones: Weigh = lambda p, losses: np.ones(len(p))  # noqa: E731
    biased = descend(off, y, np.zeros_like(classes), case, ones, priors)
    wrong = (off @ biased.T).argmax(axis=1) != y
    train = prepared.table.split == "train"
    attribute = prepared.pseudo.attribute[train] if probe else wrong.astype(np.int64)
    groups = 2 * y + attribute
    with np.errstate(divide="ignore"):
        beta = np.log(np.bincount(groups, minlength=4) / len(y))
    assert np.isfinite(beta).all()
    slow = replace(case, settings=replace(case.settings, lr=0.5 * case.settings.lr))
    w = descend(x, groups, np.zeros((4, x.shape[1])), slow, ones, beta)
    fitted = PPA(probe=probe, rate=0.5)(case)
    assert fitted.seeds == (0,)  # from zero, with all samples in a step: seeds would be the same run
    assert same(fitted, [np.stack([w[0] + w[1], w[2] + w[3]])], case)
    if not probe:
        assert fitted.flagged is not None
        assert (fitted.flagged[0] == wrong).mean() > 0.997


def test_ppa_leaves_groups_out_that_do_not_occur(case: Case) -> None:
    """A class that the probe puts into one value has one group; the other must not count."""
    pseudo = case.prepared.pseudo
    posterior = pseudo.posterior.copy()
    posterior[pseudo.y == 1] = [0.0, 1.0]
    answer = replace(case.prepared.answers[0], posterior=posterior)
    one_sided = replace(case, prepared=replace(case.prepared, answers=(answer,)))
    x, y = training_rows(case)
    groups = 2 * y + posterior.argmax(axis=1)[case.prepared.table.split == "train"]
    sizes = np.bincount(groups, minlength=4)
    assert sizes[2] == 0
    kept = [0, 1, 3]
    start, beta = np.zeros((3, x.shape[1])), np.log(sizes[kept] / len(y))
    w = descend(x, np.searchsorted(kept, groups), start, case, lambda p, losses: np.ones(len(p)), beta)
    assert same(PPA(probe=True, rate=1.0)(one_sided), [np.stack([w[0] + w[1], w[2]])], case)
    by_mean = PPA(probe=True, rate=1.0, aggregate="mean")(one_sided)
    assert same(by_mean, [np.stack([(w[0] + w[1]) / 2, w[2]])], case)


def test_ppa_takes_sum_or_mean() -> None:
    with pytest.raises(UsageError, match="aggregate is 'max'; sum or mean expected"):
        PPA(aggregate="max")


def test_dfr_on_equal_groups_is_plain_logistic_regression(case: Case) -> None:
    """Validation groups are of one size here, so that every balanced draw is the whole split."""
    train, val = (case.prepared.table.where(split) for split in ("train", "val"))
    mean, spread = train.features.mean(axis=0), train.features.std(axis=0)
    model = LogisticRegression(C=0.1, max_iter=5000).fit((val.features - mean) / spread, val.y)
    features = held_out(case).features
    expected = model.predict((features - mean) / spread)
    found = DFR(draws=2, strengths=(0.1,))(case).predict(features)
    assert found.shape == (2, len(features))
    assert (found == expected).mean() > 0.997


def test_dfrs_controls_balance_by_classes_and_by_pseudo_groups(case: Case) -> None:
    """Same recipe, other groups: by class it is plain logistic regression here, since the classes are of one size."""
    train, val = (case.prepared.table.where(split) for split in ("train", "val"))
    mean, spread = train.features.mean(axis=0), train.features.std(axis=0)
    model = LogisticRegression(C=0.1, max_iter=5000).fit((val.features - mean) / spread, val.y)
    features = held_out(case).features
    by_class = DFR(Classes(), draws=2, strengths=(0.1,))
    found = by_class(case).predict(features)
    assert (found == model.predict((features - mean) / spread)).mean() > 0.997
    assert by_class.labels == ("class labels",)
    by_probe = DFR(Pseudo(), draws=1, strengths=(0.1,))
    pseudo = case.prepared.pseudo.rows(case.split("val"))
    coefficients, intercept = by_probe.fit_one((val.features - mean) / spread, pseudo.y, pseudo.index, seed=0)
    expected = ((features - mean) / spread) @ coefficients[0] + intercept[0] > 0
    assert (by_probe(case).predict(features)[0] == expected).mean() > 0.997
    assert by_probe.labels == ("class labels",)
    assert DFR().labels == ("class labels", "validation attributes")


def test_dfr_draws_as_many_of_every_group_and_chooses_a_strength() -> None:
    groups = np.repeat([0, 1, 3], [9, 4, 6])
    rows = balanced(groups, np.random.default_rng(0))
    assert np.bincount(groups[rows]).tolist() == [4, 4, 0, 4]
    assert len(set(rows.tolist())) == 12
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 80)
    features = np.stack([y + rng.normal(0, 0.3, 80), rng.normal(0, 1, 80)], axis=1)
    weak, strong = 1e-9, 1.0
    coefficients, _ = DFR(draws=3, strengths=(weak, strong)).fit_one(features, y, y, seed=0)
    assert abs(coefficients[0, 0]) > 1  # with the weak strength it would be near 0


def test_afr_weighs_by_what_the_first_head_is_unsure_of() -> None:
    rng = np.random.default_rng(0)
    logits, y = rng.normal(size=(9, 3)), np.array([0, 0, 0, 0, 1, 1, 1, 2, 2])
    plain = []
    for row, label in zip(logits, y, strict=True):
        p = math.exp(row[label]) / sum(math.exp(value) for value in row)
        plain.append(math.exp(-4.0 * p) / (y == label).sum())
    np.testing.assert_allclose(afr_weights(logits, y, 4.0), np.array(plain) / sum(plain))
    balanced_classes = afr_weights(logits, y, 0.0)
    assert [balanced_classes[y == k].sum() for k in range(3)] == pytest.approx([1 / 3] * 3)


def test_afrs_second_head_is_the_minimum_of_its_objective() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 3)), rng.integers(0, 2, 40)
    weights, first = rng.dirichlet(np.ones(40)), rng.normal(size=(2, 3))

    def objective(layer: Floats) -> float:
        logits = torch.from_numpy(x @ layer.T)
        losses = torch.nn.functional.cross_entropy(logits, torch.from_numpy(y), reduction="none").numpy()
        return float((weights * losses).sum() + 0.1 * ((layer - first) ** 2).sum())

    found = second_layer(x, y, weights, first, 0.1)
    for step in rng.normal(size=(20, 2, 3)):
        assert objective(found) <= objective(found + 1e-3 * step) + 1e-12
    np.testing.assert_allclose(second_layer(x, y, weights, first, 1e6), first, atol=1e-4)


def test_afr_needs_no_attribute_and_differs_by_seed(case: Case) -> None:
    row = AFR(gammas=(0.0, 4.0), penalties=(0.1,))
    assert row.labels == ("class labels",)
    features = held_out(case).features
    found = row(case).predict(features)
    assert found.shape == (2, len(features))
    assert (found == held_out(case).y).mean() > 0.6


def test_cells_of_the_confusion_matrix_become_independent(case: Case) -> None:
    counts = torch.tensor([[30.0, 10.0, 0.0], [5.0, 40.0, 5.0], [2.0, 8.0, 20.0]])
    membership = torch.eye(9).repeat_interleave(counts.reshape(-1).long(), dim=0)
    cells = IndependentCells()
    cells.start(membership, torch.arange(9) // 3, runs=1)
    weighed = (cells.weights_ * cells.counts_).reshape(3, 3)
    for y in range(3):
        assert float(weighed[y].sum()) == pytest.approx(120 / 3, rel=1e-5)
    for y in (1, 2):  # a cell without images gets nothing, the others of its class the more
        for b in range(3):
            expected = counts[:, b].sum() / counts.sum() * 40
            assert float(weighed[y, b]) == pytest.approx(float(expected), rel=1e-5)
    assert float(weighed[0, 2]) == 0.0
    assert ConfusionCells().labels == ("class labels",)
    assert ConfusionCells()(case).predict(held_out(case).features).shape == (2, len(held_out(case).y))


def test_projection_is_off_the_words_and_calibration_a_least_squares_solution() -> None:
    rng = np.random.default_rng(0)
    directions, pairs = rng.normal(size=(3, 7)), rng.normal(size=(4, 7))
    projection = off_span(np.concatenate([directions, directions[:1] * 2]))
    for vector in rng.normal(size=(5, 7)):
        fitted, *_ = np.linalg.lstsq(directions.T, vector, rcond=None)
        assert projection @ vector == pytest.approx(vector - directions.T @ fitted)
    found = calibrated(projection, pairs, strength=50.0)
    # Row by row: min |p - p0|^2 + 50/4 * sum (p . d)^2 is a least-squares problem.
    stacked = np.concatenate([np.eye(7), math.sqrt(50 / 4) * pairs])
    for row, target in zip(found, projection, strict=True):
        expected, *_ = np.linalg.lstsq(stacked, np.concatenate([target, np.zeros(4)]), rcond=None)
        assert row == pytest.approx(expected)


@pytest.mark.parametrize("name", ["orth-proj", "orth-cal"])
def test_orth_rows_equal_plain_loops_over_the_prompts(name: str, case: Case) -> None:
    def embed(*texts: str) -> Floats:
        return np.asarray(case.prepared.backbone.encode_text(list(texts)).double().numpy())

    words = [word for phrases in PLACE.values.values() for word in phrases]
    spurious = [embed(*[t.replace("{attribute}", word) for t in TEMPLATES]).mean(axis=0) for word in words]
    basis, _ = np.linalg.qr(np.array(spurious).T)
    matrix = np.eye(24) - basis @ basis.T
    if name == "orth-cal":
        outer = np.zeros((24, 24))
        for label in ("landbird", "waterbird"):
            d = np.subtract(*embed(f"a photo of a {label}, land.", f"a photo of a {label}, water."))
            outer += np.outer(d, d) / 2
        matrix = np.linalg.solve((np.eye(24) + 1000 * outer).T, matrix.T).T
    weights = [matrix @ one for one in embed("a photo of a landbird.", "a photo of a waterbird.")]
    unit = np.array([w / np.linalg.norm(w) for w in weights])
    assert same(ROWS[name].fit(case), [unit], case)


def test_zero_shot_rows(case: Case) -> None:
    def embed(template: str) -> Floats:
        texts = [template.format(name) for name in case.prepared.table.class_names]
        return np.asarray(case.prepared.backbone.encode_text(texts).double().numpy())

    single, ensemble = ROWS["zero-shot"].fit, ROWS["zero-shot-ensemble"].fit
    assert same(single(case), [embed("a photo of a {}.")], case)
    mean = np.mean([embed(template) for template in ensemble.templates], axis=0)  # type: ignore[attr-defined]
    assert same(ensemble(case), [mean / np.linalg.norm(mean, axis=1, keepdims=True)], case)


@pytest.mark.parametrize("name", ["dpt", "ppa", "jtt"])
def test_the_second_column_is_that_of_a_fit_selected_by_true_groups(name: str, backbone: Backbone) -> None:
    both = gaussian_case(backbone, select="pseudo-confidence", steps=12)
    oracle = gaussian_case(backbone, select="true-wga", steps=12)
    features = held_out(both).features
    one, two = ROWS[name].fit(both), ROWS[name].fit(oracle)
    assert one.predict_by_true is not None
    assert np.array_equal(one.predict_by_true(features), two.predict(features))
    assert list(one.steps_by_true) == list(two.steps)


def test_minority_quality_equals_plain_counting(case: Case) -> None:
    flagged = np.stack([np.arange(400) % 3 == 0, np.arange(400) % 7 == 0])
    report = minority_report(case, flagged)
    true = case.prepared.true
    assert report is not None
    assert true is not None
    index = true.index[case.split("train")]  # sizes 190, 10, 10, 190: groups 1 and 2 are the minorities
    recalls, precisions = [], []
    for run in flagged:
        hits = sum(1 for said, g in zip(run, index, strict=True) if said and g in (1, 2))
        recalls.append(hits / 20)
        precisions.append(hits / run.sum())
    assert report["recall"] == pytest.approx(np.mean(recalls))
    assert report["precision"] == pytest.approx(np.mean(precisions))
    worst = min(np.mean([run[index == g].mean() for run in flagged]) for g in (1, 2))
    assert report["worst_recall"] == pytest.approx(worst)


def test_true_groups_are_not_scored_as_finding_minorities(case: Case) -> None:
    assert ROWS["dpt-true"].fit(case).flagged is None
    assert ROWS["erm"].fit(case).flagged is None
    found = ROWS["dpt"].fit(case).flagged
    true = case.prepared.true
    assert found is not None
    assert true is not None
    train = case.split("train")
    pseudo: Groups = case.prepared.pseudo
    assert found[0].tolist() == np.isin(pseudo.index[train], [1, 2]).tolist()


def test_dfr_is_fitted_on_balanced_halves_and_judged_on_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first feature is the row's number, so that every call tells which rows it was given."""
    groups = np.repeat([0, 1], [30, 10])
    y, features = groups, np.arange(40.0)[:, None]
    fits: list[tuple[float, list[int]]] = []
    judged: list[list[int]] = []

    def refit(x: Any, y: Any, strength: float) -> Any:
        fits.append((strength, x[:, 0].astype(int).tolist()))
        return np.full((1, 1), strength), np.zeros(1)

    def labels(layer: Any, x: Any) -> Any:
        judged.append(x[:, 0].astype(int).tolist())
        own = y[x[:, 0].astype(int)]
        # the weak strength is right for the large group alone: better on average, worse in the worst group
        return own * 0 if layer[0][0, 0] == 0.1 else np.where(x[:, 0] % 3 > 0, own, 1 - own)

    monkeypatch.setattr(dfr, "refit", refit)
    monkeypatch.setattr(dfr, "labels", labels)
    layer, _ = dfr.DFR(draws=3, strengths=(0.1, 1.0)).fit_one(features, y, groups, seed=0)
    assert layer[0, 0] == 1.0
    assert [strength for strength, _ in fits] == [0.1, 1.0, 1.0, 1.0, 1.0]
    for (_, rows), other in zip(fits[:2], judged, strict=True):
        assert len(other) == 20
        assert not set(rows) & set(other)
        sizes = np.bincount(groups[rows])
        assert sizes[0] == sizes[1] == min(10 - np.bincount(groups[other])[1], 20)
    for _, rows in fits[2:]:
        assert np.bincount(groups[rows]).tolist() == [10, 10]
        assert len(set(rows)) == 20
    assert fits[2] != fits[3]


def test_the_template_by_separation_is_that_of_plain_loops(case: Case) -> None:
    features = held_out(case).features
    names, backbone = case.prepared.table.class_names, case.prepared.backbone
    weights = [zero_shot_weights(backbone, names, template).numpy() for template in TEMPLATES_OF_CLASSES]
    answers, chosen = [], []
    for image in features:
        gaps, labels = [], []
        for of_template in weights:
            scores = [float(image @ weight) for weight in of_template]
            ranked = sorted(scores)
            gaps.append(ranked[-1] - ranked[-2])
            labels.append(scores.index(max(scores)))
        chosen.append(gaps.index(max(gaps)))
        answers.append(labels[chosen[-1]])
    assert len({*chosen}) > 1  # the templates differ on this case
    assert Separation()(case).predict(features).tolist() == [answers]
    means = []
    for of_template in weights:
        train = case.prepared.table.where("train").features
        both = [sorted(float(image @ weight) for weight in of_template) for image in train]
        means.append(sum(one[-1] - one[-2] for one in both) / len(both))
    best = weights[means.index(max(means))]
    expected = [max(range(len(names)), key=lambda k: float(image @ best[k])) for image in features]
    assert Separation(by_image=False)(case).predict(features).tolist() == [expected]


def test_the_ensemble_adds_the_logits_of_heads_that_are_fitted_alone(case: Case) -> None:
    features, probes = held_out(case).features, ("zero-shot", "mixture")
    total = np.zeros((len(case.seeds), len(features), 2))
    for probe in probes:
        tuner = Tuner(case.prepared.backbone, case.options(**HEAD))
        groups = case.asked(probe).pseudo
        tuner.fit(case.prepared.table, groups, reweighter=make_reweighter("balanced-within-class"))
        total += tuner.logits(features)
    found = ProbeEnsemble(probes)(case).predict(features)
    assert float((found == total.argmax(axis=-1)).mean()) > 0.997


def test_a_row_with_the_controls_head_brings_it_along() -> None:
    assert [row.name for row in choose(["erm", "anchored"])] == ["erm", "anchored-classes", "anchored"]
    assert [row.name for row in choose(["inferred", "anchored-classes"])] == ["inferred", "anchored-classes"]
    assert [row.name for row in choose(["dpt", "anchored-prompt"])] == ["dpt", "anchored-prompt"]
    assert {row.name for row in ROWS.values() if has_the_controls_head(row)} == {
        *("anchored", "anchored-words", "inferred", "auto", "anchored-classes", "anchored-true"),
        *("probe-ensemble", "fg-ccdb"),
    }


def test_a_group_prompt_in_the_suite_answers_as_its_tuner(case: Case) -> None:
    features = held_out(case).features
    loop = Loop({"method": "class-balanced", "head": "group-prompt", "context_length": 2})
    tuner = Tuner(case.prepared.backbone, case.options(**loop.options)).fit(case.prepared.table)
    assert float((loop(case).predict(features) == tuner.predict(features)).mean()) > 0.997
