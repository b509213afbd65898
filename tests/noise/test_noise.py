"""Promises: every noise has exactly the rate it was asked for, by its plain definition; a seed gives the same labels;
pools never meet; no label is flipped to itself; pseudo labels are the model's and nothing else."""

from __future__ import annotations

import dataclasses
import math
import random
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from debias_pt.errors import DebiasWarning, UnknownNameError, UsageError
from debias_pt.features.table import FeatureTable
from debias_pt.models.backbone import Backbone
from debias_pt.models.zero_shot import zero_shot_weights
from debias_pt.noise import NOISES, NoisyLabels, add_noise, pseudo_labels
from debias_pt.noise.few_shot import FewShot
from debias_pt.noise.label_noise import how_many
from debias_pt.noise.pseudo_labels import most_confident, random_predicted, zero_shot_probabilities

FLIPS = ("symmetric", "asymmetric", "confusion")
RATES = st.sampled_from([0.0, 0.1, 0.125, 0.25, 0.29, 0.375, 0.5, 0.75, 1.0]) | st.floats(0, 1)


def classes_of(k: int, per_class: int) -> FeatureTable:
    n = k * per_class
    generator = np.random.default_rng(k)
    features = np.eye(4, dtype=np.float32)[np.arange(n + k) % 4]
    y = np.concatenate([generator.permutation(np.arange(n) % k), np.arange(k)])
    split = np.array(["train"] * n + ["test"] * k)
    return FeatureTable(tuple(f"{i}" for i in range(n + k)), features, y, split, tuple(f"c{i}" for i in range(k)))


def guesses(table: FeatureTable, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.random.default_rng(seed).dirichlet(np.ones(len(table.class_names)), size=len(table))


cases = given(
    k=st.integers(2, 7),
    per_class=st.integers(2, 12),
    rate=RATES,
    seed=st.integers(0, 10**6),
    share=st.floats(0.1, 1),
)


def drawn(k: int, per_class: int, seed: int, share: float) -> tuple[FeatureTable, FewShot]:
    table = classes_of(k, per_class)
    return table, FewShot.draw(table, max(1, int(share * per_class)), seed)


@pytest.mark.parametrize("kind", FLIPS)
@settings(max_examples=40)
@cases
def test_flips_are_exact_and_repeatable(
    kind: str, k: int, per_class: int, rate: float, seed: int, share: float
) -> None:
    table, few = drawn(k, per_class, seed, share)
    p = guesses(table)
    noisy = add_noise(table, few, kind, rate, seed, probabilities=p)
    assert noisy.ids == few.ids
    assert (noisy.y_true == table.y[few.rows(table)]).all()
    n = len(few.ids)
    assert int(noisy.wrong.sum()) == sum(a != b for a, b in zip(noisy.y_given, noisy.y_true, strict=True))
    assert int(noisy.wrong.sum()) in {math.floor(rate * n), math.floor(rate * n + 1e-8)}  # 0.29 of 100 are 29
    again = add_noise(table, few, kind, rate, seed, probabilities=p)
    assert (again.y_given == noisy.y_given).all()
    for row, given_, true in zip(few.rows(table), noisy.y_given, noisy.y_true, strict=True):
        if given_ != true and kind == "asymmetric":
            assert given_ == (true + 1) % k
        if given_ != true and kind == "confusion":
            assert given_ == max((c for c in range(k) if c != true), key=lambda c: p[row, c])


@pytest.mark.parametrize("kind", FLIPS)
@settings(max_examples=25)
@given(rates=st.tuples(RATES, RATES), seed=st.integers(0, 1000))
def test_what_is_wrong_at_a_lower_rate_is_wrong_in_the_same_way_at_a_higher(
    kind: str, rates: tuple[float, float], seed: int
) -> None:
    table, few = drawn(5, 8, seed, 1.0)
    low, high = (add_noise(table, few, kind, rate, probabilities=guesses(table)) for rate in sorted(rates))
    assert (high.y_given[low.wrong] == low.y_given[low.wrong]).all()


@settings(max_examples=50)
@cases
def test_replacement_is_exact_in_every_class_from_a_pool_apart(
    k: int, per_class: int, rate: float, seed: int, share: float
) -> None:
    table, few = drawn(k, per_class, seed, share)
    shots = len(few.ids) // k
    if k * (per_class - shots) < 2 * k * how_many(rate, shots):
        return  # the pool may be too small; that has a test of its own
    noisy = add_noise(table, few, "replacement", rate)
    assert np.bincount(noisy.y_given, minlength=k).tolist() == [shots] * k
    wrong = how_many(rate, shots)
    assert noisy.counts_by_class.tolist() == [[shots, wrong]] * k
    clean, foreign = set(few.ids), {name for name, bad in zip(noisy.ids, noisy.wrong, strict=True) if bad}
    assert not clean & foreign
    assert set(noisy.ids) - foreign <= clean
    assert set(table.split[noisy.rows(table)].tolist()) == {"train"}
    assert (noisy.y_true == table.y[noisy.rows(table)]).all()  # images change, labels of images do not
    assert noisy.ids == add_noise(table, few, "replacement", rate).ids
    if rate == 0:
        assert noisy.ids == few.ids


def test_replacement_keeps_fewer_of_the_same_shots_at_a_higher_rate() -> None:
    table, few = drawn(6, 40, 3, 0.4)
    kept = []
    for rate in (0.0, 0.125, 0.25, 0.5, 1.0):
        noisy = add_noise(table, few, "replacement", rate)
        kept.append({name for name, bad in zip(noisy.ids, noisy.wrong, strict=True) if not bad})
    assert all(more > fewer for more, fewer in pairwise(kept))
    assert kept[-1] == set()


def test_replacement_draws_from_all_other_classes() -> None:
    table, few = drawn(5, 60, 0, 0.5)
    noisy = add_noise(table, few, "replacement", 0.5)
    pairs = {(int(a), int(b)) for a, b in zip(noisy.y_given, noisy.y_true, strict=True) if a != b}
    assert pairs == {(a, b) for a in range(5) for b in range(5) if a != b}


# The rule of PTNL's released code.


@settings(max_examples=40)
@given(
    sizes=st.lists(st.integers(2, 14), min_size=2, max_size=5),
    shots=st.integers(2, 6),
    rate=st.sampled_from([0.0, 0.25, 0.5, 0.75]),
    seed=st.integers(0, 1000),
)
def test_ptnls_rule_takes_fixed_parts_of_each_class(sizes: list[int], shots: int, rate: float, seed: int) -> None:
    table, few = unequal(sizes, shots)
    noisy = add_noise(table, few, "replacement-ptnl", rate, seed)
    wrong = how_many(rate, few.shots)
    place = {name: row for row, name in enumerate(table.ids)}
    given_to: dict[str, int] = {}
    for name, y_given, y_true in zip(noisy.ids, noisy.y_given, noisy.y_true, strict=True):
        of_class = [row for row in range(len(table)) if table.y[row] == y_true]
        first = math.ceil(round(len(of_class) * (1 - wrong / few.shots), 9))
        assert (of_class.index(place[name]) < first) == (y_given == y_true)
        assert name not in given_to
        given_to[name] = int(y_given)
    assert (noisy.counts_by_class[:, 0] <= few.shots).all()  # repetitions are kept once
    assert (noisy.counts_by_class[:, 1] <= wrong).all()


def unequal(sizes: list[int], shots: int) -> tuple[FeatureTable, FewShot]:
    y = np.random.default_rng(1).permutation(np.repeat(np.arange(len(sizes)), sizes))
    names = tuple(f"c{k}" for k in range(len(sizes)))
    features = np.eye(4, dtype=np.float32)[y % 4]
    table = FeatureTable(tuple(map(str, range(len(y)))), features, y, np.full(len(y), "train"), names)
    return table, FewShot.draw(table, min(shots, *sizes), 0)


def test_ptnls_rule_draws_uniformly_over_images_and_ours_over_classes() -> None:
    """Class 2 has nine times class 1's images; wrong images of class 0 come nine times or once as often from it."""
    table, few = unequal([40, 20, 180], 8)
    shares = {}
    for kind in ("replacement", "replacement-ptnl"):
        sources = np.zeros(3)
        for seed in range(150):
            noisy = add_noise(table, few, kind, 0.5, seed)
            sources += np.bincount(noisy.y_true[(noisy.y_given == 0) & noisy.wrong], minlength=3)
        shares[kind] = sources[2] / sources.sum()
    assert shares["replacement"] == pytest.approx(0.5, abs=0.06)
    assert shares["replacement-ptnl"] == pytest.approx(0.9, abs=0.05)


def test_ptnls_rule_without_wrong_images_is_refused() -> None:
    """Of two images, for one wrong one in four, both are in the right part."""
    table, _ = unequal([8, 2], 2)
    with pytest.warns(DebiasWarning, match="fewer than 4"):
        few = FewShot.draw(table, 4, 0)
    with pytest.raises(UsageError, match="finds no wrong images for class 0; ask for fewer shots"):
        add_noise(table, few, "replacement-ptnl", 0.25)


def test_replacement_without_images_left_is_refused() -> None:
    table, few = drawn(3, 4, 0, 1.0)
    assert add_noise(table, few, "replacement", 0.0).realised == 0
    with pytest.raises(UsageError, match="needs 2 images of other classes for class 0, no unused one is left"):
        add_noise(table, few, "replacement", 0.5)


def test_symmetric_noise_is_uniform_over_the_other_classes() -> None:
    table, few = drawn(5, 2000, 0, 1.0)
    noisy = add_noise(table, few, "symmetric", 0.5)
    counts = np.zeros((5, 5))
    np.add.at(counts, (noisy.y_true, noisy.y_given), 1)
    off = counts[~np.eye(5, dtype=bool)]
    assert abs(off - 250).max() < 5 * math.sqrt(250)  # 20 cells, each binomial about 250
    assert abs(counts.diagonal() - 1000).max() < 5 * math.sqrt(500)


def test_kinds_and_seeds_have_streams_of_their_own() -> None:
    table, few = drawn(5, 20, 0, 1.0)
    wrong = [add_noise(table, few, kind, 0.5, probabilities=guesses(table)).wrong.tolist() for kind in FLIPS]
    wrong += [add_noise(table, few, "symmetric", 0.5, seed).wrong.tolist() for seed in (1, 2)]
    assert len({tuple(one) for one in wrong}) == 5


def test_global_random_states_neither_matter_nor_change() -> None:
    table, few = drawn(4, 10, 0, 0.5)
    before = {kind: add_noise(table, few, kind, 0.5, probabilities=guesses(table)) for kind in NOISES}
    np.random.seed(3)
    random.seed(3)
    state = np.random.get_state()[1].tolist(), random.getstate()
    for kind, first in before.items():
        again = add_noise(table, few, kind, 0.5, probabilities=guesses(table))
        assert (again.ids, again.y_given.tolist()) == (first.ids, first.y_given.tolist())
    assert state == (np.random.get_state()[1].tolist(), random.getstate())


def test_counts_are_those_of_the_number_as_written() -> None:
    assert [how_many(rate, 1600) for rate in (0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75)] == [
        0, 200, 400, 600, 800, 1000, 1200,
    ]  # fmt: skip
    assert int(0.29 * 100) == 28
    assert how_many(0.29, 100) == 29


def test_noise_that_cannot_be_is_refused() -> None:
    table, few = drawn(3, 4, 0, 0.5)
    with pytest.raises(UnknownNameError, match="unknown noise 'symetric' .did you mean 'symmetric'"):
        add_noise(table, few, "symetric", 0.5)
    with pytest.raises(UsageError, match="noise rate is 1.5; 0 to 1"):
        add_noise(table, few, "symmetric", 1.5)
    with pytest.raises(UsageError, match="without zero-shot probabilities"):
        add_noise(table, few, "confusion", 0.5)
    with pytest.raises(UsageError, match=r"probabilities of shape \(12, 2\); \(12, 3\) expected"):
        add_noise(table, few, "confusion", 0.5, probabilities=np.ones((15, 2)))
    one = classes_of(1, 4)
    with pytest.raises(UsageError, match="a wrong label needs 2"):
        add_noise(one, FewShot.draw(one, 2, 0), "symmetric", 0.5)
    elsewhere = dataclasses.replace(few, ids=(*few.ids, table.where("test").ids[0]))
    with pytest.raises(UsageError, match="are not in this table"):
        add_noise(table, elsewhere, "symmetric", 0.5)


# What noise returns.


def test_realised_rates_by_class() -> None:
    noisy = NoisyLabels(tuple("abcd"), np.array([0, 0, 0, 1]), np.array([0, 1, 2, 1]), 3, "symmetric", 0.5, 0)
    assert noisy.realised == 0.5
    assert noisy.realised_by_class[:2].tolist() == [2 / 3, 0]
    assert math.isnan(noisy.realised_by_class[2])
    assert noisy.report() == {
        "kind": "symmetric", "seed": 0, "samples": 4, "wrong": 2, "rate": 0.5, "realised": 0.5,
        "by_class": [[3, 2], [1, 0], [0, 0]],
    }  # fmt: skip


def test_the_table_to_fit_has_given_labels_in_training_only() -> None:
    table, few = drawn(4, 10, 0, 0.5)
    for kind in NOISES:
        noisy = add_noise(table, few, kind, 0.4, probabilities=guesses(table))
        fit = noisy.of(table)
        assert fit.where("train").ids == noisy.ids
        assert (fit.where("train").y == noisy.y_given).all()
        assert (fit.where("train").features == table.features[noisy.rows(table)]).all()
        assert (fit.where("test").y == table.where("test").y).all()


def test_labels_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UsageError, match="2 ids, 1 of them different"):
        NoisyLabels(("a", "a"), np.array([0, 1]), np.array([0, 1]), 2, "symmetric", 0.0, 0)
    with pytest.raises(UsageError, match="labels go from 0 to 2; 0 to 1 expected"):
        NoisyLabels(("a", "b"), np.array([0, 2]), np.array([0, 1]), 2, "symmetric", 0.0, 0)


# Pseudo labels.


@settings(max_examples=50)
@given(n=st.integers(1, 60), k=st.integers(1, 5), shots=st.integers(1, 6), seed=st.integers(0, 100), ties=st.booleans())
def test_samplings_equal_plain_loops(n: int, k: int, shots: int, seed: int, ties: bool) -> None:
    p = np.random.default_rng(seed).dirichlet(np.ones(k), size=n)
    p = p.round(1) if ties else p
    plain: list[int] = []
    for c in range(k):
        mine = [i for i in range(n) if max(range(k), key=lambda j: (p[i, j], -j)) == c]
        plain += sorted(mine, key=lambda i: (-p[i, c], i))[:shots]
    assert most_confident(p, shots).tolist() == plain
    lots = random_predicted(p, shots, seed)
    assert np.bincount(p[lots].argmax(1), minlength=k).tolist() == np.bincount(p[plain].argmax(1), minlength=k).tolist()
    assert len(set(lots.tolist())) == len(lots)
    assert set(lots.tolist()) <= set(random_predicted(p, shots + 2, seed).tolist())


def test_random_sampling_is_by_lot_and_top_confidence_is_not() -> None:
    p = np.random.default_rng(0).dirichlet(np.ones(3), size=200)
    assert set(random_predicted(p, 5, 0).tolist()) != set(random_predicted(p, 5, 1).tolist())
    drawn_by_any = set.union(*(set(random_predicted(p, 5, seed).tolist()) for seed in range(150)))
    assert len(drawn_by_any) > 190
    assert most_confident(p, 5, 0).tolist() == most_confident(p, 5, 1).tolist()


@pytest.mark.filterwarnings("ignore::debias_pt.errors.DebiasWarning")
@pytest.mark.parametrize("sampling", ["top-confidence", "random"])
def test_pseudo_labels_are_predictions_and_true_labels_decide_nothing(sampling: str) -> None:
    table = classes_of(4, 30)
    p = guesses(table)
    labels = pseudo_labels(table, p, 5, sampling, seed=2)
    rows = labels.rows(table)
    assert (labels.y_given == p[rows].argmax(1)).all()
    assert set(table.split[rows].tolist()) == {"train"}
    assert labels.rate is None
    assert 0 < labels.realised < 1
    shuffled = dataclasses.replace(table, y=(table.y + 1) % 4)
    other = pseudo_labels(shuffled, p, 5, sampling, seed=2)
    assert (other.ids, other.y_given.tolist()) == (labels.ids, labels.y_given.tolist())
    assert (other.y_true == (labels.y_true + 1) % 4).all()
    assert (labels.of(table).where("train").y == labels.y_given).all()


def test_classes_that_are_predicted_too_rarely_are_said() -> None:
    table = classes_of(3, 4)
    p = np.tile([0.6, 0.3, 0.1], (len(table), 1))
    p[0] = [0.1, 0.8, 0.1]
    with pytest.warns(DebiasWarning, match="2 of 3 classes are predicted for fewer than 4 training images, 'c2' for 0"):
        labels = pseudo_labels(table, p, 4, "top-confidence")
    assert np.bincount(labels.y_given, minlength=3).tolist() == [4, 1, 0]


def test_pseudo_labels_that_cannot_be_are_refused() -> None:
    table = classes_of(3, 4)
    with pytest.raises(UnknownNameError, match="unknown sampling 'top'"):
        pseudo_labels(table, guesses(table), 4, "top")
    with pytest.raises(UsageError, match="shots is 0"):
        pseudo_labels(table, guesses(table), 0, "random")
    with pytest.raises(UsageError, match=r"shape \(2, 3\); \(15, 3\) expected"):
        pseudo_labels(table, np.ones((2, 3)), 4, "random")


def test_zero_shot_probabilities_are_the_plain_softmax(backbone: Backbone, table: FeatureTable) -> None:
    found = zero_shot_probabilities(backbone, table)
    weights = zero_shot_weights(backbone, table.class_names, "a photo of a {}.").numpy().astype(float)
    for row in (0, 7):
        z = [backbone.logit_scale * float(table.features[row].astype(float) @ w) for w in weights]
        e = [math.exp(v - max(z)) for v in z]
        assert found[row].tolist() == pytest.approx([v / sum(e) for v in e], rel=1e-6)
    other = zero_shot_probabilities(backbone, dataclasses.replace(table, template="{} texture."))
    assert not np.allclose(other, found)
    assert np.allclose(other, zero_shot_probabilities(backbone, table, "{} texture."))
