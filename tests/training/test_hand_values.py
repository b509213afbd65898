"""Promises: plans, batches, selection and the history of a fit, in small cases worked out by hand."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from debias_pt.errors import DebiasWarning, NonFiniteError, UsageError
from debias_pt.features.table import FeatureTable
from debias_pt.groups.groups import Groups
from debias_pt.models.backbone import Backbone
from debias_pt.models.heads import LinearHead
from debias_pt.settings import FitSettings
from debias_pt.training import fit_plan
from debias_pt.training.callbacks import Progress
from debias_pt.training.data import FitData, Minibatches, _permutation, membership_of
from debias_pt.training.fit_checks import check_fit, require_distinct_runs
from debias_pt.training.fit_plan import plan
from debias_pt.training.loop import Forward, require_finite
from debias_pt.training.optimizer import RunSlice, learning_rate, make_optimizer
from debias_pt.training.run_group import RunGroup, require_shared_settings
from debias_pt.training.selection import RULES, Selector
from debias_pt.training.stacking import fit_together, stack
from debias_pt.training.tuner import PromptTuner
from debias_pt.utils.membership import Membership
from tests.training.test_training import TABLE, TRUE, make

pytestmark = pytest.mark.usefixtures("one_thread")
PLAIN = replace(TABLE, fingerprint={})


def mapped(folder: Path, dtype: str) -> FeatureTable:
    """Twenty rows of eight features in a file; two classes."""
    np.save(folder / "features.npy", np.tile(np.eye(8)[0], (20, 1)).astype(dtype))
    features = np.load(folder / "features.npy", mmap_mode="r")
    split = np.repeat(["train", "val"], [12, 8])
    return FeatureTable(tuple(map(str, range(20))), features, np.arange(20) % 2, split, ("a", "b"))


@pytest.mark.parametrize(
    ("dtype", "batch_size", "needed"),
    [
        ("float32", None, 4 * 160 + 4 * 3 * 2 * 12 * 5),
        ("float16", None, 6 * 160 + 4 * 3 * 2 * 12 * 5),
        ("float32", 4, 4 * 160 + 4 * 3 * 2 * 4 * 5),
    ],
)
def test_what_is_needed_and_what_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str, batch_size: int | None, needed: int
) -> None:
    """Features, and five copies of the logits of 3 runs and 2 classes, of 7 tenths of what is free."""
    table = mapped(tmp_path, dtype)
    settings = FitSettings(seeds=3, steps=6, batch_size=batch_size)
    enough = math.ceil(needed / 0.7) + 1
    monkeypatch.setattr(fit_plan, "free_bytes", lambda device: enough)
    assert plan(table, 12, settings) == fit_plan.FitPlan(settings, mapped=False)
    monkeypatch.setattr(fit_plan, "free_bytes", lambda device: enough - 3)
    batch = batch_size or 12
    with pytest.warns(DebiasWarning, match=rf"minibatches of {batch} rows .*; 6 steps see {6 * batch / 12:.2g} times "):
        found = plan(table, 12, settings)
    assert (found.mapped, found.settings.batch_size, found.settings.steps) == (True, batch, 6)
    in_memory = replace(table, features=np.array(table.features))
    assert not plan(in_memory, 12, settings).mapped
    assert (fit_plan.BATCH, fit_plan.COPIES, fit_plan.LEFT) == (8192, 5, 0.7)


def test_orders_are_those_of_seed_and_epoch() -> None:
    """A resumed run must find the orders it began with; no epoch shares a stream with a seed's first draw."""
    for seed, epoch in ((0, 0), (0, 1), (3, 2)):
        generator = torch.Generator().manual_seed((seed + 1) * 1_000_003 + epoch)
        assert torch.equal(_permutation(9, seed, epoch), torch.randperm(9, generator=generator))
    batches = Minibatches(7, 3, seeds=[5])
    assert batches.per_epoch == 3
    assert batches.rows(2).shape == (1, 1)  # type: ignore[union-attr]
    assert torch.equal(batches.rows(4)[0], _permutation(7, 5, 1)[3:6])  # type: ignore[index]
    assert Minibatches(0, None, seeds=[0]).per_epoch == 1
    assert not batches.whole
    assert Minibatches(7, 7, seeds=[0]).whole


def test_blocks_are_shuffled_and_so_are_the_rows_of_a_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten rows in blocks of two, two blocks a pool: neighbours stay in one pool."""
    monkeypatch.setattr("debias_pt.training.data.POOL", 2)
    found = _permutation(9, 0, 0, 2)
    assert sorted(found.tolist()) == list(range(9))
    generator = torch.Generator().manual_seed(1_000_003)
    starts = (torch.randperm(5, generator=generator) * 2).tolist()
    order = [row for start in starts for row in (start, start + 1) if row < 9]
    pools = [order[:4], order[4:8], order[8:]]
    expected = [pool[i] for pool in pools for i in torch.randperm(len(pool), generator=generator).tolist()]
    assert found.tolist() == expected


def test_fields_of_another_number_of_runs_are_named() -> None:
    y, features = torch.zeros(3, dtype=torch.long), torch.zeros(3, 8)
    FitData(features.expand(2, 3, 8), y.expand(2, 3), Membership(y.expand(2, 3), 1)).require_runs(2)
    FitData(features, y, Membership(y, 1)).require_runs(7)
    for given, name in (
        (FitData(features.expand(2, 3, 8), y, Membership(y, 1)), r"features has shape \(2, 3, 8\); 3 runs expected"),
        (FitData(features, y.expand(2, 3), Membership(y, 1)), r"y has shape \(2, 3\)"),
        (FitData(features, y, Membership(y.expand(2, 3), 1)), r"membership has shape \(2, 3\)"),
    ):
        with pytest.raises(ValueError, match=name):
            given.require_runs(3)


def test_memberships_are_hard_unless_asked_for() -> None:
    posterior = np.array([[0.75, 0.25], [0.5, 0.5]])
    soft = Groups(np.array([0, 1]), posterior, ("a", "b"), ("in", "out"), "pseudo")
    assert membership_of(soft).shares is None
    assert membership_of(soft).first.tolist() == [0, 2]
    asked = membership_of(soft, soft=True)
    assert asked.shares is not None
    assert asked.shares.tolist() == posterior.tolist()
    assert (asked.first.tolist(), asked.n_groups, asked.shares.dtype) == ([0, 2], 4, torch.float32)
    hard = Groups(np.array([0, 1]), np.array([1, 1]), ("a", "b"), ("in", "out"), "true")
    assert membership_of(hard, soft=True).shares is None
    assert membership_of(hard, soft=True).first.tolist() == [1, 3]


def test_some_rows_of_a_table() -> None:
    table = replace(TABLE, features=TABLE.features.astype(np.float16))
    some = FitData.of(table, TRUE.rows(np.array([5, 2])), torch.device("cpu"), rows=np.array([5, 2]))
    assert some.features.dtype == torch.float32
    assert torch.equal(some.features, torch.from_numpy(table.features[[5, 2]].astype(np.float32)))  # type: ignore[arg-type]
    assert some.y.tolist() == table.y[[5, 2]].tolist()
    assert len(some) == 2


def test_the_optimiser_has_what_was_asked_for() -> None:
    parameter = torch.nn.Parameter(torch.zeros(1, 2))
    settings = FitSettings(lr=0.3, optimizer="sgd", momentum=0.7, weight_decay=0.2)
    sgd = make_optimizer(settings, [[parameter], [torch.nn.Parameter(torch.zeros(1, 2))]])
    assert [(group["lr"], group["momentum"], group["weight_decay"]) for group in sgd.param_groups] == [
        (0.3, 0.7, 0.2)
    ] * 2
    adamw = make_optimizer(FitSettings(lr=0.3, optimizer="adamw", weight_decay=0.2), [[parameter]])
    assert isinstance(adamw, torch.optim.AdamW)
    assert (adamw.param_groups[0]["lr"], adamw.param_groups[0]["weight_decay"]) == (0.3, 0.2)
    assert learning_rate(0, FitSettings(lr=2.0, steps=0, warmup_steps=0)) == 2.0
    assert learning_rate(1, FitSettings(lr=2.0, steps=2, warmup_steps=2)) == pytest.approx(4 / 3)
    assert learning_rate(2, FitSettings(lr=2.0, steps=2, warmup_steps=2)) == 2.0


def test_a_slice_of_runs_is_a_view_with_gradients_of_its_own() -> None:
    whole = [torch.nn.Parameter(torch.arange(6.0).view(3, 2)), torch.nn.Parameter(torch.zeros(3, 1))]
    own = RunSlice(whole, slice(1, 3))
    whole[0].grad = torch.arange(6.0).view(3, 2)
    own.take_gradients()
    assert own.parameters[0].grad is not None
    assert own.parameters[0].grad.tolist() == [[2, 3], [4, 5]]
    assert own.parameters[1].grad is None
    with torch.no_grad():
        own.parameters[0].fill_(9)
    assert whole[0].tolist() == [[0, 1], [9, 9], [9, 9]]


def test_a_selector_goes_on_from_its_state() -> None:
    """Two runs, two parameters; the second run is best at step 1, ties go to the later step."""
    parameters = [torch.nn.Parameter(torch.zeros(2, 1)), torch.nn.Parameter(torch.zeros(2, 1, 3))]
    selector = Selector("average-accuracy", parameters)
    y, membership = torch.tensor([0, 1]), torch.eye(2)
    right, half = [[9.0, 0], [0, 9]], [[9.0, 0], [9, 0]]
    steps = [torch.tensor([half, half]), torch.tensor([half, right]), torch.tensor([half, half])]
    for step, logits in enumerate(steps[:2]):
        for parameter in parameters:
            parameter.data.fill_(step + 1)
        selector.observe(step, logits, y, membership)
        assert selector.score_.isfinite().all()  # from the first step on, unless told otherwise
    state = copy.deepcopy(selector.state_dict())
    assert set(state) == {"score", "step", "kept.0", "kept.1"}
    again = Selector("average-accuracy", parameters)
    again.load_state_dict(state)
    for parameter in parameters:
        parameter.data.fill_(3)
    for one in (selector, again):
        assert one.observe(2, steps[2], y, membership).tolist() == [0.5, 0.5]
        assert one.step_.tolist() == [2, 1]
        assert one.score_.tolist() == [0.5, 1.0]
        assert [kept.flatten().tolist() for kept in one.kept_] == [[3, 2], [3, 3, 3, 2, 2, 2]]
    again.restore()
    assert parameters[0].tolist() == [[3], [2]]
    assert RULES["last"].score(4, steps[0], y, membership).tolist() == [4, 4]


def test_the_worst_group_is_that_of_the_groups_there_are() -> None:
    """Three groups of which the second is empty; probabilities 3/4 and 1/4 of the true class."""
    logits = torch.tensor([[[0.75, 0.25], [0.75, 0.25], [0.75, 0.25]]]).log()
    y, membership = torch.tensor([0, 0, 1]), Membership(torch.tensor([0, 0, 2]), 3)
    assert RULES["pseudo-confidence"].score(0, logits, y, membership).tolist() == pytest.approx([0.25])
    assert RULES["pseudo-wga"].score(0, logits, y, membership).tolist() == [0]
    assert RULES["average-accuracy"].score(0, logits, y, membership).tolist() == pytest.approx([2 / 3])
    both_right = torch.tensor([0, 0, 0])
    assert RULES["pseudo-wga"].score(0, logits, both_right, membership).tolist() == [1]
    assert RULES["pseudo-confidence"].score(0, logits, both_right, membership).tolist() == pytest.approx([0.75])


def test_validation_accuracy_by_group_is_none_where_nothing_was_seen() -> None:
    training = make(LinearHead(24, 2, seeds=[0, 1]), seeds=[0, 1], steps=1, select="average-accuracy")
    (group,) = training.run_groups
    group.val = group.val.at(slice(0, 80))  # of the first class only, 40 of either value
    logits = torch.zeros(2, 80, 2)
    logits[0, :40, 0], logits[0, 40:, 1], logits[1, :, 0] = 1, 1, 1
    group.observe(0, logits)
    assert group.val_accuracy() == [[1, 0, None, None], [1, 1, None, None]]
    assert group.val_accuracy(there=False) == [[None] * 4] * 2


def test_the_history_of_one_step_by_hand() -> None:
    """A head of zeros: every probability a half, every loss log 2, every weight of balanced groups N / (4 N_g)."""
    head = LinearHead(24, 2, seeds=[0, 1])
    head.weight.data.zero_()
    training = make(head, seeds=[0, 1], method="balanced", steps=1, lr=0.5, select="average-accuracy")
    seen: list[int] = []

    class Count(Progress):
        def __init__(self) -> None:
            super().__init__(seen.append)

    training.run([Count()])
    assert seen == [0, 1]
    (row,) = training.run_groups[0].history_
    assert row == {
        "step": 0,
        "lr": 0.5,
        "loss": pytest.approx([math.log(2)] * 2),
        "selection_score": [0.5, 0.5],  # of equals the first class
        "p_bar": [[0.5] * 4] * 2,
        "val_accuracy": [[1, 1, 0, 0]] * 2,
        "group_weights": [pytest.approx([400 / 760, 10, 10, 400 / 760])] * 2,
    }
    state = training.state_dict()
    assert int(state["step"]) == 1
    assert {key.split("/")[0] for key in state} >= {"step", "head", "reweighter.0", "selector.0", "optimizer.0"}


@pytest.mark.parametrize("what", ["loss", "weight", "gradient"])
def test_what_is_not_finite_is_named(what: str) -> None:
    training = make(LinearHead(24, 2, seeds=[4, 7]), seeds=[4, 7])
    (group,) = training.run_groups
    losses, weights = torch.zeros(2, 400), torch.ones(2, 400)
    for parameter in group.own.parameters:
        parameter.grad = torch.zeros_like(parameter)
    forward = Forward(losses, weights, losses, group.train.membership, losses.mean(dim=-1))
    require_finite(group, forward, "step 3", 0.25)
    if what == "gradient":
        group.own.parameters[0].grad[1, 0, 0] = math.inf  # type: ignore[index]
    else:
        {"loss": losses, "weight": weights}[what][1, 395] = math.nan
    of = "any group" if what == "gradient" else r"group \(waterbird, water\)"
    message = f"^step 3, seed 7: the {what} of {of} is NaN or infinite at learning rate 0.25; lower --lr"
    with pytest.raises(NonFiniteError, match=message):
        require_finite(group, forward, "step 3", 0.25)


def run_group(**options: Any) -> RunGroup:
    return make(LinearHead(24, 2), **options).run_groups[0]


def test_run_groups_of_other_settings_are_named() -> None:
    with pytest.raises(UsageError, match="no run groups to fit"):
        require_shared_settings([])
    require_shared_settings([run_group(), run_group(lr=0.3, method="erm")])
    for name, value in (("steps", 13), ("batch_size", 8), ("weight_decay", 0.7), ("momentum", 0.3)):
        groups = [run_group(), run_group(), run_group(**{name: value})]
        before = getattr(groups[0].settings, name)
        with pytest.raises(UsageError, match=f"{name} is {before} in one run group and {value} in another"):
            require_shared_settings(groups)


def test_a_tuner_fits_training_and_validation_rows_if_asked(backbone: Backbone) -> None:
    both = PromptTuner(backbone, head="linear", method="balanced", fit_on="train+val").run_group(PLAIN, TRUE)
    assert len(both.train) == int(np.isin(TABLE.split, ["train", "val"]).sum())
    assert len(both.val) == int((TABLE.split == "val").sum())
    tuner = PromptTuner(backbone, head="linear", method="balanced")
    alone = tuner.run_group(PLAIN, TRUE)
    assert len(alone.train) == 400
    assert tuner.train_groups_ is not None
    assert tuner.train_groups_.counts.tolist() == [190, 10, 10, 190]
    beside = PromptTuner(backbone, head="linear", method="erm").run_group(PLAIN, TRUE, beside=alone)
    assert beside.train.features is alone.train.features
    assert beside.val.features is alone.val.features
    assert PromptTuner(backbone, head="linear").run_group(PLAIN, TRUE, beside=both).train.features is not (
        both.train.features
    )
    with pytest.raises(UsageError, match="400 groups for 960 rows"):
        tuner.run_group(PLAIN, TRUE.rows(TABLE.split == "train"))


def test_a_tuner_selects_by_the_groups_it_is_given_for_that(backbone: Backbone) -> None:
    others = replace(TRUE, values=np.zeros(len(TABLE), dtype=np.int64))
    tuner = PromptTuner(backbone, head="linear", method="balanced", select="pseudo-wga")
    found = tuner.run_group(PLAIN, TRUE, validation_groups=others)
    assert found.val.membership.first.unique().tolist() == [0, 2]
    assert found.train.membership.first.unique().tolist() == [0, 1, 2, 3]


def test_a_tuners_settings_seeds_and_figures(backbone: Backbone) -> None:
    tuner = PromptTuner(backbone, FitSettings(seed=3, seeds=2, head="linear"), steps=2, method="balanced")
    assert tuner.seeds == (3, 4)
    assert tuner.changed_settings() == {"seed": 3, "seeds": 2, "head": "linear", "steps": 2, "method": "balanced"}
    assert repr(tuner).endswith(": not fitted")
    tuner.fit(PLAIN, TRUE)
    logits = tuner.logits(TABLE.features[:7])
    expected = tuner.scale_ * np.einsum("nd,rkd->rnk", TABLE.features[:7], tuner.class_weights_)
    assert logits == pytest.approx(expected, abs=1e-5)
    proba = tuner.predict_proba(TABLE.features[:7])
    assert proba == pytest.approx(np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True), abs=1e-6)
    assert tuner.predict(TABLE.features[:7]).tolist() == logits.argmax(axis=-1).tolist()
    assert tuner.selected_steps_ == [2, 2]
    report = tuner.score(PLAIN, TRUE, split="val")
    right = tuner.predict(TABLE.features[TABLE.split == "val"]) == TABLE.y[TABLE.split == "val"]
    assert report.average_accuracy.tolist() == pytest.approx(right.mean(axis=1).tolist())
    assert report.train_counts.tolist() == [190, 10, 10, 190]
    assert report.seeds == (3, 4)
    assert tuner.score(PLAIN, TRUE, np.array([1, 0, 0, 0]), split="val").train_counts.tolist() == [1, 0, 0, 0]
    kept = tuner.class_weights_.copy()
    with torch.no_grad():
        tuner.head_.weight.mul_(-1)  # type: ignore[operator,union-attr]
    assert (tuner.class_weights_ == kept).all()  # a copy
    assert tuner.scale_ == tuner.head_.scale


def test_tuners_fitted_together_have_a_head_each(backbone: Backbone) -> None:
    tuners = [
        PromptTuner(backbone, head="linear", method=method, seeds=n, steps=2) for method, n in (("erm", 1), ("dpt", 2))
    ]
    groups = [tuner.run_group(PLAIN, TRUE) for tuner in tuners]
    training = fit_together(tuners, groups)
    assert [group.runs for group in groups] == [slice(0, 1), slice(1, 3)]
    assert [len(tuner.class_weights_) for tuner in tuners] == [1, 2]
    assert torch.equal(tuners[1].head_.weight, training.head.weight[1:])  # type: ignore[arg-type,index]
    for given in (([], []), (tuners, groups[:1])):
        with pytest.raises(UsageError, match=f"{len(given[0])} tuners and {len(given[1])} run groups"):
            stack(*given)


def test_seeds_that_would_change_nothing_are_refused() -> None:
    same = FitSettings(seeds=2, head="linear-from-text")
    with pytest.raises(UsageError, match="2 seeds of the head 'linear-from-text' with full-batch steps"):
        check_fit(same)
    batches = replace(same, batch_size=10)
    check_fit(batches)
    require_distinct_runs(batches, 11)
    with pytest.raises(UsageError, match="would be the same run"):
        require_distinct_runs(batches, 10)
    require_distinct_runs(replace(same, seeds=1), 10)
    require_distinct_runs(replace(same, head="linear"), 10)
    with pytest.raises(UsageError, match="2 seeds from the words 'a photo of a'"):
        check_fit(FitSettings(seeds=2, context_init="a photo of a"))


def test_when_it_is_time_to_validate() -> None:
    """400 training and 160 validation rows: batches of 50 are 8 an epoch and see 160 rows in 4 (rounded up)."""

    def times(**options: Any) -> list[int]:
        (group,) = make(LinearHead(24, 2), **options).run_groups
        return [step for step in range(17) if group.validates(step)]

    assert times(batch_size=50) == [0, 4, 8, 12, 16]
    assert times(batch_size=10) == [0, 16]
    assert times(batch_size=200) == times(batch_size=400) == times(batch_size=None) == list(range(17))
    (group,) = make(LinearHead(24, 2), batch_size=100).run_groups
    group.val = group.val.at(slice(0, 0))
    assert all(group.validates(step) for step in range(5))
    group.val = group.train  # as many as are fitted: once an epoch
    assert [step for step in range(9) if group.validates(step)] == [0, 4, 8]
