"""Promises: where a fit has one optimum it is reached, the same as scikit-learn's, whatever the seed; settings that ask
for steps on the way get steps, and what contradicts an optimum is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from debias_pt.errors import UsageError
from debias_pt.features.table import FeatureTable
from debias_pt.groups import Groups
from debias_pt.methods import complete, parts_text
from debias_pt.methods.optimizer import optimizer_of
from debias_pt.models.backbone import Backbone
from debias_pt.models.heads.standardized import PENALTY, StandardizedHead
from debias_pt.settings import FitSettings
from debias_pt.training.optimum import TOLERANCE
from debias_pt.training.stacking import fit_together, stack
from debias_pt.training.tuner import Tuner

HEAD = {"head": "standardized", "fit_on": "train"}


def true_groups(table: FeatureTable) -> Groups:
    return Groups.true(table.y, table.class_names, tuple(table.attributes.values()))


@pytest.mark.parametrize("method", ["erm", "class-balanced", "balanced"])
def test_the_gradient_is_zero_at_the_end(backbone: Backbone, table: FeatureTable, method: str) -> None:
    tuner = Tuner(backbone, method=method, **HEAD)
    training = stack([tuner], [tuner.run_group(table, true_groups(table))])
    training.run()
    (end,) = training.optima_
    assert end.reached
    assert end.gradient <= TOLERANCE
    (run_group,), head = training.run_groups, training.head
    weights = head()
    forward = training._forward(run_group, weights)
    (forward.objective.sum() + head.penalty()).backward()
    assert isinstance(head, StandardizedHead)
    assert head.weight.grad is not None
    assert float(head.weight.grad.abs().max()) < 1e-4  # computed by the loop, in single precision
    assert training.step_ == end.steps == run_group.selector.step_[0]


def test_it_is_scikit_learns_optimum(backbone: Backbone, table: FeatureTable) -> None:
    tuner = Tuner(backbone, method="class-balanced", **HEAD).fit(table, true_groups(table))
    head = tuner.head_
    assert isinstance(head, StandardizedHead)
    train = table.where("train")
    # The same features as the head: standardized, and the projection on the mean in place of a constant.
    x = train.features.astype(np.float64)
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    direction = x @ mean / (mean @ mean)
    own = np.hstack([(x - direction[:, None] * mean) / deviation, direction[:, None]])
    weights = len(x) / 2 / np.bincount(train.y)[train.y]
    strength = 2 / (PENALTY * len(x))  # one column of weights in place of two
    free = 1e4  # scikit-learn's penalty on the last column is as good as none once it is scaled
    own[:, -1] *= free
    expected = LogisticRegression(C=strength, fit_intercept=False, tol=1e-10, max_iter=10_000).fit(
        own, train.y, weights
    )
    found = (head.weight[0, 1] - head.weight[0, 0]).detach().double().numpy()
    np.testing.assert_allclose(found[:-1], expected.coef_[0, :-1], atol=2e-3)
    np.testing.assert_allclose(found[-1], expected.coef_[0, -1] * free, rtol=2e-2, atol=1e-2)


def test_seeds_change_nothing(backbone: Backbone, table: FeatureTable) -> None:
    groups = true_groups(table)
    tuner = Tuner(backbone, method="balanced", seeds=3, **HEAD).fit(table, groups)
    assert (tuner.class_weights_ == tuner.class_weights_[:1]).all()
    other = Tuner(backbone, method="balanced", seed=7, **HEAD).fit(table, groups)
    np.testing.assert_array_equal(other.class_weights_[0], tuner.class_weights_[0])


def test_runs_fitted_together_are_the_runs_alone(backbone: Backbone, table: FeatureTable) -> None:
    groups = true_groups(table)
    tuners = [Tuner(backbone, method=method, **HEAD) for method in ("erm", "balanced")]
    fit_together(tuners, [tuner.run_group(table, groups) for tuner in tuners])
    for tuner in tuners:
        alone = Tuner(backbone, method=tuner.settings.method, **HEAD).fit(table, groups)
        np.testing.assert_array_equal(tuner.class_weights_, alone.class_weights_)


def test_an_optimum_and_steps_are_not_mixed(backbone: Backbone, table: FeatureTable) -> None:
    groups = true_groups(table)
    tuners = [Tuner(backbone, method=method, **HEAD) for method in ("erm", "dpt")]
    with pytest.raises(UsageError, match="some run groups have a single optimum, others not"):
        fit_together(tuners, [tuner.run_group(table, groups) for tuner in tuners])


def test_steps_are_a_limit(backbone: Backbone, table: FeatureTable) -> None:
    tuner = Tuner(backbone, method="erm", steps=2, **HEAD)
    training = stack([tuner], [tuner.run_group(table, true_groups(table))])
    training.run()
    assert training.optima_[0].steps == 2
    assert not training.optima_[0].reached


def test_features_in_a_file_lead_to_the_same_optimum(
    backbone: Backbone, table: FeatureTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = true_groups(table)
    whole = Tuner(backbone, method="balanced", **HEAD).fit(table, groups)
    monkeypatch.setattr("debias_pt.training.optimum.KEPT", 0)
    monkeypatch.setattr("debias_pt.utils.row_blocks.ROWS_AT_A_TIME", 7)
    blocks = Tuner(backbone, method="balanced", **HEAD).fit(table, groups)
    np.testing.assert_allclose(blocks.class_weights_, whole.class_weights_, atol=1e-4)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "lbfgs"),
        ({"method": "erm"}, "lbfgs"),
        ({"loss": "label-smoothing"}, "lbfgs"),
        ({"steps": 5}, "lbfgs"),
        ({"lr": 0.004}, "adamw"),
        ({"batch_size": 8}, "adamw"),
        ({"weight_decay": 0.1}, "adamw"),
        ({"warmup_steps": 3}, "adamw"),
        ({"select": "pseudo-wga"}, "adamw"),
        ({"loss": "gce"}, "adamw"),
        ({"method": "dpt"}, "adamw"),
        ({"head": "linear"}, "adamw"),
        ({"head": "prompt"}, "adamw"),
        ({"optimizer": "sgd"}, "sgd"),
        ({"optimizer": "adamw"}, "adamw"),
    ],
)
def test_which_optimizer(given: dict[str, object], expected: str) -> None:
    settings = complete(FitSettings(**{"method": "balanced", **HEAD, **given}))  # type: ignore[arg-type]
    assert optimizer_of(settings) == expected


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"lr": 0.1}, "--lr 0.1 sets the size of steps"),
        ({"batch_size": 8}, "--batch-size 8 asks for minibatches"),
        ({"head": "prompt"}, "the head 'prompt' has no single one"),
        ({"loss": "gce"}, "the loss 'gce' is not convex"),
        ({"method": "dpt"}, "the weights of 'dpt' change"),
        ({"select": "pseudo-wga"}, "--select pseudo-wga asks for a step before it"),
    ],
)
def test_what_contradicts_an_optimum_is_refused(backbone: Backbone, given: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match="--optimizer lbfgs fits to the optimum, but ") as refused:
        Tuner(backbone, **{"method": "balanced", **HEAD, "optimizer": "lbfgs", **given})  # type: ignore[arg-type]
    assert said in str(refused.value)


def test_the_line_says_how_it_is_fitted(backbone: Backbone) -> None:
    assert parts_text(Tuner(backbone, method="erm", **HEAD).parts_).endswith("; optimizer: lbfgs, to the optimum")
    stepped = Tuner(backbone, method="erm", lr=0.01, **HEAD).parts_
    assert parts_text(stepped).endswith("; optimizer: adamw; step kept: last")


def test_the_objective_is_in_double_precision(backbone: Backbone, table: FeatureTable) -> None:
    tuner = Tuner(backbone, method="erm", **HEAD)
    training = stack([tuner], [tuner.run_group(table, true_groups(table))])
    assert training.head().dtype == torch.float32
    training.run()
    assert training.head().dtype == torch.float32  # what is kept
