"""Promises: the probe is scikit-learn's logistic regression with C chosen on validation; no warning leaks; confident
learning drops wrong labels and says what is missing."""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from debias_pt.errors import UsageError
from debias_pt.noise.confident_learning import balanced_folds, confident_mask, out_of_sample
from debias_pt.noise.linear_probe import FIRST_C, fit_linear_probe, joined_probes, search_exponent
from tests.helpers.noisy_sample import marked


@pytest.mark.parametrize("k", [2, 3])
def test_it_is_scikit_learns(k: int) -> None:
    features, true, _, _ = marked()
    rows = true < k
    x, y = features[rows], true[rows]
    probe = fit_linear_probe(x, y, k, C=3.0)
    plain = LogisticRegression(C=3.0, max_iter=1000).fit(x, y)
    assert probe.predict_proba(x)[0] == pytest.approx(plain.predict_proba(x), abs=1e-6)
    assert (probe.predict(x)[0] == plain.predict(x)).all()
    assert probe.weight.shape == (1, k, 3)
    assert probe.converged == (True,)


def test_runs_are_the_runs_alone() -> None:
    features, _, y, _ = marked()
    orders = [np.random.default_rng(seed).permutation(90)[:40] for seed in range(2)]
    x, labels = np.stack([features[o] for o in orders]), np.stack([y[o] for o in orders])
    together = fit_linear_probe(x, labels, 3, C=1.0)
    apart = [fit_linear_probe(x[run], labels[run], 3, C=1.0) for run in range(2)]
    assert np.array_equal(together.weight, joined_probes(apart).weight)
    assert together.predict(features).shape == (2, 90)
    assert np.array_equal(together.predict(x)[1], apart[1].predict(x[1])[0])
    shared = fit_linear_probe(features, np.stack([y, y]), 3, C=1.0)
    assert np.array_equal(shared.weight[0], shared.weight[1])


def test_c_is_chosen_on_validation() -> None:
    features, true, y, _ = marked()
    held, _, held_y, _ = marked(1)
    probe = fit_linear_probe(features, y, 3, validation=(held, held_y))
    score = (probe.predict(held)[0] == held_y).mean()
    for C in FIRST_C:
        assert score >= (fit_linear_probe(features, y, 3, C=C).predict(held)[0] == held_y).mean()
    assert probe.C[0] in {10.0 ** (eighth / 8) for eighth in range(-48, 49)}
    del true


def test_the_search_asks_no_more_than_it_must_and_takes_the_smaller_of_equals() -> None:
    asked: list[float] = []

    def score(exponent: float) -> float:
        asked.append(exponent)
        return -abs(round(exponent - 3.4, 6))

    assert search_exponent(score) == 3.375
    assert len(asked) == len(set(asked)) <= 15
    assert search_exponent(lambda exponent: 0.0) == -6.0


def test_a_class_without_samples_is_never_predicted() -> None:
    features, true, _, _ = marked()
    probe = fit_linear_probe(features[true < 2], true[true < 2], 3, C=1.0)
    assert set(probe.predict(features)[0]) == {0, 1}
    assert (probe.predict_proba(features)[0, :, 2] == 0).all()


def test_a_solver_that_does_not_end_is_said_not_warned_of() -> None:
    features, _, y, _ = marked()
    assert fit_linear_probe(features, y, 3, C=1e6, max_iter=1).converged == (False,)


def test_bad_input_is_refused() -> None:
    features, true, y, _ = marked()
    with pytest.raises(UsageError, match="either C or validation"):
        fit_linear_probe(features, y, 3)
    with pytest.raises(UsageError, match="either C or validation"):
        fit_linear_probe(features, y, 3, C=1.0, validation=(features, y))
    with pytest.raises(UsageError, match="C is -1"):
        fit_linear_probe(features, y, 3, C=-1.0)
    with pytest.raises(UsageError, match="1 found"):
        fit_linear_probe(features[true == 1], true[true == 1], 3, C=1.0)


# Confident learning.


def test_wrong_labels_are_dropped() -> None:
    features, _, y, wrong = marked()
    keep = confident_mask(features, y, 3)
    assert (~keep)[wrong].mean() > 0.9
    assert keep[~wrong].mean() > 0.9


def test_folds_and_mask_are_drawn_from_the_seed() -> None:
    features, _, y, _ = marked()
    assert np.array_equal(confident_mask(features, y, 3, seed=4), confident_mask(features, y, 3, seed=4))
    first, second = balanced_folds(y, 5, 0), balanced_folds(y, 5, 1)
    assert not np.array_equal(first, second)
    for label in range(3):
        sizes = np.bincount(first[y == label], minlength=5)
        assert sizes.max() - sizes.min() <= 1


def test_no_sample_is_judged_by_a_probe_that_saw_it() -> None:
    features, _, y, _ = marked()
    before = out_of_sample(features, y, 3, C=1.0, folds=5, seed=0)
    fold = balanced_folds(y, 5, 0)
    row = int(np.flatnonzero(fold == 2)[0])
    changed = features.copy()
    changed[row] += 5.0
    after = out_of_sample(changed, y, 3, C=1.0, folds=5, seed=0)
    others = (fold == 2) & (np.arange(90) != row)
    assert np.array_equal(before[others], after[others])
    assert not np.array_equal(before[fold == 1], after[fold == 1])


def test_every_class_keeps_a_sample_and_gaps_are_no_classes() -> None:
    features, true, y, _ = marked()
    swapped = np.where(true == 2, 0, np.where(true == 0, 2, true))
    swapped[true == 2] = 5  # class 0 is empty; 5 is the last of six
    keep = confident_mask(features, swapped, 6)
    assert all(keep[swapped == label].any() for label in np.unique(swapped))
    del y


def test_a_missing_cleanlab_is_said_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cleanlab.filter", None)
    features, _, y, _ = marked()
    with pytest.raises(UsageError, match=r"needs cleanlab: pip install 'debias-pt\[noise\]'"):
        confident_mask(features, y, 3)


def test_c_is_the_one_that_the_search_finds_on_validation_not_on_training() -> None:
    features, _, y, _ = marked()
    held, _, held_y, _ = marked(1)

    def best(x: np.ndarray, labels: np.ndarray) -> float:
        def score(exponent: float) -> float:
            model = LogisticRegression(C=10.0**exponent, max_iter=1000).fit(features.astype(np.float64), y)
            return float((model.predict(x.astype(np.float64)) == labels).mean())

        return 10.0 ** search_exponent(score)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected, on_training = best(held, held_y), best(features, y)
    assert expected != on_training  # else this tells nothing
    assert (expected,) == fit_linear_probe(features, y, 3, validation=(held, held_y)).C
