"""Promises: the loop is plain weighted gradient descent for any head; stacked runs are the runs alone; it goes on
bit by bit after a stop; NaN is named; selection keeps the right step; fitting on a shortcut shows the phenomenon."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from debias_pt.errors import DebiasWarning, FingerprintError, NonFiniteError
from debias_pt.groups.groups import Groups
from debias_pt.losses import make_loss
from debias_pt.models.backbone import Backbone
from debias_pt.models.heads import HEADS, LinearHead, PromptHead
from debias_pt.reweighting import REWEIGHTERS, make_reweighter
from debias_pt.settings import FitSettings, choices, resolve
from debias_pt.training.callbacks import Callback
from debias_pt.training.data import FitData
from debias_pt.training.loop import Training
from debias_pt.training.run_group import RunGroup
from debias_pt.training.selection import Selector
from debias_pt.training.tuner import Tuner
from tests.helpers.gaussian_fit import CPU, TABLE, TRUE, make
from tests.helpers.tiny_data import gaussian_table

pytestmark = pytest.mark.usefixtures("one_thread")


def test_one_sgd_step_equals_the_formula() -> None:
    """Balanced weights, a linear head, one step of size lr along the mean weighted gradient, in float64 by hand."""
    head = LinearHead(24, 2, scale=3.0)
    before = head.weight.detach().double().numpy()[0].copy()
    make(head, method="balanced", steps=1, lr=0.1, optimizer="sgd", momentum=0.0).run()
    train, groups = TABLE.where("train"), TRUE.rows(TABLE.split == "train")
    gradient = np.zeros_like(before)
    for x, y, g in zip(train.features.astype(float), train.y, groups.index, strict=True):
        z = 3.0 * before @ x
        p = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
        weight = len(train) / (4 * groups.counts[g])
        gradient += weight * 3.0 * np.outer(p - np.eye(2)[y], x) / len(train)
    assert head.weight.detach().numpy()[0] == pytest.approx(before - 0.1 * gradient, abs=1e-6)


@pytest.mark.parametrize("method", sorted(REWEIGHTERS))
@pytest.mark.parametrize("batch_size", [None, 64])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_stacked_runs_are_the_runs_alone(method: str, batch_size: int | None, optimizer: str) -> None:
    options = {"method": method, "batch_size": batch_size, "optimizer": optimizer, "weight_decay": 0.01}
    together = make(LinearHead(24, 2, seeds=[3, 4], scale=5.0), seeds=[3, 4], **options)
    together.run()
    for run, seed in enumerate([3, 4]):
        alone = make(LinearHead(24, 2, seeds=[seed], scale=5.0), seeds=[seed], **options)
        alone.run()
        assert torch.allclose(together.head.weight[run], alone.head.weight[0], atol=1e-5)
        for row, single in zip(together.run_groups[0].history_, alone.run_groups[0].history_, strict=True):
            assert row["loss"][run] == pytest.approx(single["loss"][0], rel=1e-4)  # type: ignore[index]
    assert not torch.allclose(together.head.weight[0], together.head.weight[1], atol=1e-3)


@pytest.mark.parametrize("method", sorted(REWEIGHTERS))
@pytest.mark.parametrize("batch_size", [None, 50])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_loaded_state_goes_on_bit_by_bit(method: str, batch_size: int | None, optimizer: str) -> None:
    options = {"method": method, "batch_size": batch_size, "optimizer": optimizer, "select": "pseudo-wga"}
    whole = make(LinearHead(24, 2, seeds=[0, 1]), seeds=[0, 1], **options)
    half: dict[str, torch.Tensor] = {}

    class Keep(Callback):
        def on_step(self, training: Training) -> None:
            if training.step_ == 6:
                half.update({name: value.clone() for name, value in training.state_dict().items()})

    whole.run([Keep()])
    resumed = make(LinearHead(24, 2, seeds=[7, 8]), seeds=[0, 1], **options)
    resumed.load_state_dict(half)
    resumed.run()
    assert torch.equal(whole.head.weight, resumed.head.weight)
    assert whole.run_groups[0].history_[6:] == resumed.run_groups[0].history_
    assert torch.equal(whole.run_groups[0].selector.step_, resumed.run_groups[0].selector.step_)


def test_a_prompt_learns_through_the_text_tower(backbone: Backbone) -> None:
    table = replace(TABLE, fingerprint={})
    tuner = Tuner(backbone, method="erm", steps=40, lr=0.05, seeds=2, context_length=4, select="last")
    losses: list[Any] = []

    class Losses(Callback):
        def on_step(self, training: Training) -> None:
            losses.append(training.run_groups[0].history_[-1]["loss"])

    tuner.fit(table, TRUE, callbacks=[Losses()])
    assert max(losses[-1]) < min(losses[0]) - 0.05
    assert tuner.class_weights_.shape == (2, 2, 24)
    assert np.linalg.norm(tuner.class_weights_, axis=-1) == pytest.approx(1, abs=1e-5)
    probabilities = tuner.predict_proba(table.features)
    assert probabilities.sum(axis=-1) == pytest.approx(1)
    assert (tuner.predict(table.features) == probabilities.argmax(axis=-1)).all()
    report = tuner.score(table.where("test"), TRUE.rows(table.split == "test"))
    assert report.correct.shape == (2, 4)


def test_debiasing_raises_the_worst_group_of_a_shortcut() -> None:
    """Linear heads on synthetic features whose attribute direction is stronger than the class direction."""
    worst = {}
    table = gaussian_table(scale=4)
    groups = Groups.true(table.y, table.class_names, [table.attributes["background"]])
    train, val = (FitData.of(table.where(s), groups.rows(table.split == s), CPU) for s in ("train", "val"))
    test, index = table.where("test"), groups.rows(table.split == "test").index
    for method in ("erm", "dpt", "group-dro", "balanced"):
        head, settings = LinearHead(24, 2, scale=10.0), FitSettings(steps=150, lr=0.02, select="last")
        loss = make_loss("cross-entropy")
        Training(head, [RunGroup(loss, make_reweighter(method), settings, (0,), train, val, groups)]).run()
        predictions = (test.features @ head.weight.detach().numpy()[0].T).argmax(axis=1)
        worst[method] = min(np.mean(predictions[index == g] == test.y[index == g]) for g in range(4))
    assert min(worst["dpt"], worst["group-dro"], worst["balanced"]) > worst["erm"] + 0.15


def test_nan_names_step_seed_group_and_rate() -> None:
    training = make(LinearHead(24, 2, seeds=[5, 6]), seeds=[5, 6])
    row = int(np.flatnonzero(TRUE.rows(TABLE.split == "train").index == 2)[0])
    training.run_groups[0].train.features[row, 0] = torch.nan
    with pytest.raises(NonFiniteError, match=r"step 0, seed 5: the loss of group \(waterbird, land\) .* rate 0\.05"):
        training.run()


def test_a_broken_run_is_named_among_others() -> None:
    training = make(LinearHead(24, 2, seeds=[5, 6]), seeds=[5, 6])
    with torch.no_grad():
        training.head.weight[1, 0, 0] = torch.inf
    with pytest.raises(NonFiniteError, match="seed 6: the loss of group"):
        training.run()


def test_an_infinite_gradient_is_caught_before_the_step() -> None:
    class Steep(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
            return grad * torch.inf

    class SteepHead(LinearHead):
        def forward(self) -> torch.Tensor:
            return Steep.apply(self.weight)  # type: ignore[no-untyped-call,no-any-return]

    head = SteepHead(24, 2)
    before = head.weight.detach().clone()
    with pytest.raises(NonFiniteError, match="step 0, seed 0: the gradient of any group"):
        make(head).run()
    assert torch.equal(head.weight, before)


def test_an_empty_pseudo_group_is_named_and_weighs_nothing(backbone: Backbone) -> None:
    table = replace(TABLE, fingerprint={})
    posterior = TRUE.posterior.copy()
    posterior[table.y == 1] = [0.0, 1.0]
    groups = replace(TRUE, values=posterior, source="pseudo")
    with pytest.warns(DebiasWarning, match=r"the pseudo group \(waterbird, land\) is empty; its weight is 0"):
        tuner = Tuner(backbone, steps=3).fit(table, groups)
    assert tuner.train_groups_ is not None
    assert tuner.train_groups_.counts.tolist() == [190, 10, 0, 200]


def test_features_of_another_backbone_are_refused(backbone: Backbone) -> None:
    table = replace(TABLE, fingerprint={**backbone.fingerprint, "weights": "other"})
    with pytest.raises(FingerprintError, match="its weights is 'other'"):
        Tuner(backbone, steps=1).fit(table, TRUE)


def test_scoring_by_other_groups_has_no_adjusted_average(backbone: Backbone) -> None:
    table = replace(TABLE, fingerprint={})
    pseudo = replace(TRUE, source="pseudo")
    tuner = Tuner(backbone, steps=1).fit(table, pseudo)
    test = table.split == "test"
    foreign = replace(TRUE.rows(test), attribute_names=("meadow", "lake"))
    by_true = tuner.score(table.where("test"), foreign)
    assert np.isnan(by_true.adjusted_average_accuracy).all()
    assert np.isfinite(tuner.score(table.where("test"), pseudo.rows(test)).adjusted_average_accuracy).all()
    given_counts = tuner.score(table.where("test"), foreign, TRUE.rows(table.split == "train").counts)
    assert np.isfinite(given_counts.adjusted_average_accuracy).all()
    # Those of the table's own annotations are known, and those of the table's training rows.
    for known in (tuner.score(table.where("test"), TRUE.rows(test)), tuner.score(table, TRUE, split="test")):
        assert known.adjusted_average_accuracy.tolist() == given_counts.adjusted_average_accuracy.tolist()
    loaded = Tuner(backbone, steps=1).load_head(table.class_names, tuner.head_.state_dict())
    assert (loaded.class_weights_ == tuner.class_weights_).all()
    assert loaded.score(table.where("test"), TRUE.rows(test)).correct.tolist() == by_true.correct.tolist()


def test_settings_layers_and_types() -> None:
    settings = resolve(FitSettings, {"lr": 1, "steps": 3}, {"steps": 4, "batch_size": None})
    assert (settings.lr, settings.steps, settings.batch_size) == (1.0, 4, None)
    assert isinstance(settings.lr, float)


def test_a_prompt_head_on_gce_and_soft_groups(backbone: Backbone) -> None:
    rng = np.random.default_rng(0)
    posterior = rng.dirichlet([1, 1], len(TABLE))
    groups = replace(TRUE, values=posterior, source="pseudo")
    tuner = Tuner(backbone, loss="gce", q=0.5, soft=True, steps=3, batch_size=100, class_specific=True)
    tuner.fit(replace(TABLE, fingerprint={}), groups)
    assert isinstance(tuner.head_, PromptHead)
    assert np.isfinite(tuner.class_weights_).all()


def test_a_second_rule_watches_the_same_fit() -> None:
    """A watcher sees exactly the validation logits that the selector sees, at every step and after the last."""
    training = make(LinearHead(24, 2, seeds=[0, 1]), seeds=[0, 1], select="average-accuracy", steps=6)
    other = Selector("pseudo-wga", list(training.head.parameters()))
    val = training.run_groups[0].val
    training.run_groups[0].watchers.append(lambda step, logits: other.observe(step, logits, val.y, val.membership))
    training.run()
    alone = make(LinearHead(24, 2, seeds=[0, 1]), seeds=[0, 1], select="pseudo-wga", steps=6, select_after=0.0)
    alone.run()
    other.restore()
    assert other.step_.tolist() == alone.run_groups[0].selector.step_.tolist()
    assert torch.equal(training.head.weight, alone.head.weight)


def test_heads_by_name(backbone: Backbone) -> None:
    assert choices(FitSettings.__dataclass_fields__["head"]) == tuple(HEADS)
    table = replace(TABLE, fingerprint={})
    random = Tuner(backbone, head="linear", method="erm", seeds=2, steps=3).fit(table, TRUE)
    assert random.class_weights_.shape == (2, 2, 24)
    assert not np.allclose(random.class_weights_[0], random.class_weights_[1])
    loaded = Tuner(backbone, head="linear", seeds=2).load_head(table.class_names, random.head_.state_dict())
    assert (loaded.class_weights_ == random.class_weights_).all()
    text = Tuner(backbone, head="linear-from-text", steps=0).fit(table, TRUE)
    zero_shot = backbone.encode_text([f"a photo of a {name}." for name in table.class_names]).numpy()
    assert text.class_weights_[0] == pytest.approx(zero_shot, abs=1e-6)
