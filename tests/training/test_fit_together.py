"""Promises: different runs fitted together are each what they are alone, at every step, whatever they differ in:
method, loss, learning rate, warm-up, seeds, groups, data; a stack resumes; what must be common is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from debias_pt.benchmarks.group_robustness import suite
from debias_pt.benchmarks.group_robustness.rivals.loop import Loop
from debias_pt.benchmarks.group_robustness.rows import choose
from debias_pt.benchmarks.group_robustness.stacked_fits import fit_missing, stacks
from debias_pt.benchmarks.shared.results_store import ResultStore
from debias_pt.benchmarks.speed.stacked import stacked
from debias_pt.errors import NonFiniteError, UsageError
from debias_pt.groups.groups import Groups
from debias_pt.losses import Loss, make_loss
from debias_pt.losses.cross_entropy import CrossEntropy
from debias_pt.models.backbone import Backbone
from debias_pt.models.heads import LinearHead
from debias_pt.settings import FitSettings
from debias_pt.training.data import FitData, membership_of
from debias_pt.training.loop import Callback, Training
from debias_pt.training.run_group import RunGroup
from debias_pt.training.stacking import fit_together, stack
from debias_pt.training.tuner import Tuner, scheduler
from debias_pt.utils.tensors import Rows
from tests.helpers.gaussian_fit import CPU, TABLE, TRUE
from tests.helpers.small_case import gaussian_case

pytestmark = pytest.mark.usefixtures("one_thread")
DIFFERENT: tuple[dict[str, Any], ...] = (
    {"method": "dpt", "lr": 0.05, "warmup_steps": 3, "seeds": 2},
    {"method": "erm", "lr": 0.2, "loss": "gce", "q": 0.5},
    {"method": "group-dro", "eta": 0.5, "lr": 0.01, "seed": 4, "seeds": 2},
    {"method": "cvar", "alpha": 0.3, "lr": 0.1, "warmup_steps": 1},
    {"method": "dpt", "eta": 4.0, "ema": 0.5, "normalize": "sum", "refresh": "epoch"},
    {"method": "class-balanced", "select": "average-accuracy"},
)
PLAIN = replace(TABLE, fingerprint={})


def split(name: str, groups: Groups = TRUE) -> FitData:
    return FitData.of(TABLE.where(name), groups.rows(TABLE.split == name), CPU)


def run_group(
    criterion: Loss | None = None, train: FitData | None = None, val: FitData | None = None, **options: Any
) -> RunGroup:
    settings = FitSettings(**{"steps": 9, "lr": 0.05, "weight_decay": 0.02, "select": "pseudo-wga", **options})
    seeds = range(settings.seed, settings.seed + settings.seeds)
    criterion = criterion or make_loss(settings.loss, q=settings.q)
    return RunGroup(criterion, scheduler(settings), settings, seeds, train or split("train"), val or split("val"), TRUE)


def train(run_groups: Sequence[RunGroup]) -> Training:
    training = Training(LinearHead(24, 2, seeds=[s for one in run_groups for s in one.seeds], scale=5.0), run_groups)
    training.run()
    return training


def figures(value: object) -> NDArray[np.float64]:
    """As numbers; NaN where there is none, as between two looks at the validation rows."""
    return np.array(value, dtype=np.float64)


def assert_same(together: Training, alone: Sequence[Training]) -> None:
    """Every step's figures, and what was learned, run group by run group."""
    for of_stack, single in zip(together.run_groups, alone, strict=True):
        (own,) = single.run_groups
        assert len(of_stack.history_) == len(own.history_) == single.settings.steps
        for row, other in zip(of_stack.history_, own.history_, strict=True):
            assert row.keys() == other.keys()
            for name, value in row.items():
                np.testing.assert_allclose(figures(value), figures(other[name]), rtol=2e-4, atol=2e-6, err_msg=name)
        for whole, one in zip(together.head.parameters(), single.head.parameters(), strict=True):
            assert torch.allclose(whole[of_stack.runs], one, atol=1e-5)
        assert of_stack.selector.step_.tolist() == own.selector.step_.tolist()


@pytest.mark.parametrize("batch_size", [None, 64])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_different_parts_are_the_parts_alone(batch_size: int | None, optimizer: str) -> None:
    common = {"batch_size": batch_size, "optimizer": optimizer}
    together = train([run_group(**{**common, **one}) for one in DIFFERENT])
    assert_same(together, [train([run_group(**{**common, **one})]) for one in DIFFERENT])


@pytest.mark.parametrize("batch_size", [None, 16])
@pytest.mark.parametrize("method", ["dpt", "group-dro", "class-balanced", "balanced", "cvar"])
def test_runs_with_data_of_their_own_are_the_runs_alone(method: str, batch_size: int | None) -> None:
    options: dict[str, Any] = {"method": method, "batch_size": batch_size, "loss": "gce"}
    own = [noisy(seed, "train") for seed in range(3)], [noisy(seed, "val") for seed in range(3)]
    both = run_group(train=FitData.stack(own[0]), val=FitData.stack(own[1]), seeds=3, **options)
    together = train([run_group(**{**options, "method": "erm"}), both])
    for run in range(3):
        alone = train([run_group(train=own[0][run], val=own[1][run], seed=run, **options)])
        assert torch.allclose(together.head.weight[1 + run], alone.head.weight[0], atol=1e-5)  # type: ignore[index]
        for row, single in zip(both.history_, alone.run_groups[0].history_, strict=True):
            for name in ("loss", "selection_score", "p_bar", "group_weights"):
                np.testing.assert_allclose(figures(row[name])[run], figures(single[name])[0], 2e-4, 2e-6)
        assert int(both.selector.step_[run]) == int(alone.run_groups[0].selector.step_[0])


def test_labels_may_be_each_runs_own_on_shared_features() -> None:
    shared = split("train")
    wrong = torch.stack([shared.y, 1 - shared.y])
    both = train([run_group(train=replace(shared, y=wrong), seeds=2, method="erm", batch_size=50)])
    alone = train([run_group(train=replace(shared, y=wrong[1]), seed=1, method="erm", batch_size=50)])
    assert torch.allclose(both.head.weight[1], alone.head.weight[0], atol=1e-5)  # type: ignore[index]


def test_rows_of_a_split_are_those_a_plain_loop_takes() -> None:
    shared, rows = split("train"), torch.tensor([[0, 3], [5, 5], [7, 1]])
    own = FitData.stack([noisy(seed, "train") for seed in range(3)])
    for run, i in np.ndindex(3, 2):
        row = int(rows[run, i])
        assert shared.at(rows).membership.first[run, i] == shared.membership.first[row]
        assert own.at(rows).membership.first[run, i] == own.membership.first[run, row]
        for name in ("features", "y"):
            assert torch.equal(getattr(shared.at(rows), name)[run, i], getattr(shared, name)[row])
            assert torch.equal(getattr(own.at(rows), name)[run, i], getattr(own, name)[run, row])
    assert torch.equal(own.at(slice(2, 4)).y, own.y[:, 2:4])
    assert torch.equal(shared.at(slice(2, 4)).y, shared.y[2:4])


class Weighed(Loss):
    """Cross-entropy of the samples that the epoch's first look found likely; each run has its own."""

    sees_epochs: ClassVar[bool] = True

    def __init__(self) -> None:
        self.clean_ = torch.zeros(0)
        self.looks = 0

    def __call__(self, logits: Tensor, y: Tensor) -> Tensor:
        raise AssertionError("the loop asks for the loss of its rows")

    def start_epoch(self, logits: Tensor, y: Tensor) -> None:
        assert not logits.requires_grad
        assert logits.shape[:2] == y.shape
        self.looks += 1
        p = logits.softmax(dim=-1).gather(-1, y[..., None])[..., 0]
        self.clean_ = (p > p.median(dim=-1, keepdim=True).values).float()

    def at(self, rows: Rows) -> Loss:
        return OnRows(self.clean_[:, rows] if isinstance(rows, slice) else self.clean_.gather(1, rows))


class OnRows(Loss):
    def __init__(self, clean: Tensor) -> None:
        self.clean = clean

    def __call__(self, logits: Tensor, y: Tensor) -> Tensor:
        return self.clean * CrossEntropy()(logits, y)


@pytest.mark.parametrize("batch_size", [None, 150])
def test_a_loss_that_knows_its_rows_looks_once_an_epoch_and_resumes(batch_size: int | None) -> None:
    """400 samples in batches of 150 are three steps; the fit stops in the middle of the second epoch."""

    def run_groups() -> list[RunGroup]:
        return [run_group(**DIFFERENT[0], batch_size=batch_size), run_group(Weighed(), seeds=2, batch_size=batch_size)]

    whole = Training(LinearHead(24, 2, seeds=[0, 1, 0, 1]), run_groups())
    half: dict[str, Tensor] = {}

    class Keep(Callback):
        def on_step(self, training: Training) -> None:
            if training.step_ == 4:
                half.update({name: value.clone() for name, value in training.state_dict().items()})

    whole.run([Keep()])
    loss = whole.run_groups[1].loss
    assert isinstance(loss, Weighed)
    assert loss.looks == (9 if batch_size is None else 3)
    resumed = Training(LinearHead(24, 2, seeds=[9, 9, 9, 9]), run_groups())
    resumed.load_state_dict(half)
    resumed.run()
    assert torch.equal(whole.head.weight, resumed.head.weight)  # type: ignore[arg-type]
    for one, other in zip(whole.run_groups, resumed.run_groups, strict=True):
        assert one.history_[4:] == other.history_
        assert torch.equal(one.selector.step_, other.selector.step_)
    alone = Training(LinearHead(24, 2, seeds=[0, 1]), [run_group(Weighed(), seeds=2, batch_size=batch_size)])
    alone.run()
    assert torch.allclose(whole.head.weight[2:], alone.head.weight, atol=1e-5)  # type: ignore[index,arg-type]


def test_nan_names_the_seed_and_group_of_its_own_part() -> None:
    own = FitData.stack([noisy(seed, "train") for seed in range(2)])
    bad = int((own.membership.first[1] == 3).int().argmax())
    own.features[1, bad, 0] = torch.nan
    run_groups = [run_group(**DIFFERENT[0]), run_group(train=own, seed=6, seeds=2, lr=0.3)]
    with pytest.raises(NonFiniteError, match=r"step 0, seed 7: the loss of group \(waterbird, water\) .* rate 0\.3;"):
        train(run_groups)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"steps": 5}, r"steps is 9 in one run group and 5 in another; .* fit these apart"),
        ({"batch_size": 7}, "batch_size is None in one run group and 7"),
        ({"optimizer": "sgd"}, "optimizer is adamw in one run group and sgd"),
        ({"weight_decay": 0.5}, "weight_decay is 0.02 in one run group and 0.5"),
        ({"momentum": 0.5}, "momentum is 0.9 in one run group and 0.5"),
    ],
)
def test_what_must_be_common_is_asked_for(other: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        train([run_group(), run_group(), run_group(**other)])


def test_runs_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UsageError, match="no run groups"):
        Training(LinearHead(24, 2), [])
    with pytest.raises(ValueError, match="the head has 3 runs, the run groups have 2"):
        Training(LinearHead(24, 2, seeds=[0, 1, 2]), [run_group(seeds=2)])
    with pytest.raises(ValueError, match=r"features has shape \(3, 40, 24\); 2 runs expected"):
        run_group(train=FitData.stack([noisy(seed, "train") for seed in range(3)]), seeds=2)


def test_prompts_fitted_together_are_the_prompts_alone(backbone: Backbone) -> None:
    table = replace(TABLE, fingerprint={})
    common = {"steps": 6, "context_length": 4, "select": "pseudo-wga", "select_after": 0.0}
    options = [{"method": "erm", "seeds": 2}, {"method": "dpt", "lr": 0.02, "seed": 5}]
    together = [Tuner(backbone, **common, **one) for one in options]
    first = together[0].run_group(table, TRUE)
    training = fit_together(together, [first, together[1].run_group(table, TRUE, share_features_with=first)])
    assert training.run_groups[1].train.features is first.train.features
    for tuner, one in zip(together, options, strict=True):
        alone = Tuner(backbone, **common, **one).fit(table, TRUE)
        assert tuner.class_weights_ == pytest.approx(alone.class_weights_, abs=1e-5)
        assert tuner.selected_steps_ == alone.selected_steps_
        assert tuner.head_.state_dict()["context"].shape == alone.head_.state_dict()["context"].shape
        assert (tuner.predict(table.features) == alone.predict(table.features)).all()


def test_other_heads_and_names_are_not_fitted_together(backbone: Backbone) -> None:
    table = replace(TABLE, fingerprint={})
    first, longer = Tuner(backbone, context_length=2), Tuner(backbone, context_length=3)
    run_groups = [first.run_group(table, TRUE), longer.run_group(table, TRUE)]
    with pytest.raises(UsageError, match="context_length is 2 in one run group and 3 in another"):
        fit_together([first, longer], run_groups)
    named = Tuner(backbone, context_length=2)
    other = replace(table, class_names=("gull", "wren"))
    with pytest.raises(UsageError, match="the class names are landbird, waterbird in one run group and gull, wren"):
        fit_together(
            [first, named], [run_groups[0], named.run_group(other, replace(TRUE, class_names=("gull", "wren")))]
        )
    with pytest.raises(UsageError, match="1 tuners and 2 run groups"):
        fit_together([first], run_groups)


def noisy(seed: int, name: str, rate: float = 0.3) -> FitData:
    """A small sample with wrong labels of a run's own, and groups of these labels."""
    rng = np.random.default_rng(seed)
    rows = rng.choice(np.flatnonzero(TABLE.split == name), 40, replace=False)
    y = np.where(rng.random(40) < rate, 1 - TABLE.y[rows], TABLE.y[rows])
    membership = membership_of(replace(TRUE.rows(rows), y=y))
    return FitData(torch.from_numpy(TABLE.features[rows]), torch.from_numpy(y), membership)


def test_rows_of_the_suite_fitted_together_are_the_rows_alone(backbone: Backbone, tmp_path: Path) -> None:
    case, together, apart = gaussian_case(backbone), ResultStore(tmp_path / "a"), ResultStore(tmp_path / "b")
    rows = choose(["erm", "cvar", "balanced-shuffled", "group-dro", "dpt", "dpt-true", "linear-dpt", "zero-shot"])
    suite.result_of(rows[1], case, together)
    ready = fit_missing([(case, row.fit) for row in rows], together)
    assert len(ready) == 6  # one is stored, one is not fitted by the loop
    for row in rows:
        one = suite.result_of(row, case, together, ready)
        other = suite.result_of(row, case, apart)
        assert {**one, "seconds": None, "stored": None} == {**other, "seconds": None, "stored": None}
        assert one["seconds"]["fit"] == pytest.approx(one["seconds"]["per_run"] * len(one["seeds"]))
        if row.name == "dpt":
            assert (one["seconds"]["runs_together"], other["seconds"]["runs_together"]) == (12, 2)


def test_stacks_hold_what_can_be_fitted_as_one_and_not_too_many_runs(backbone: Backbone) -> None:
    case = gaussian_case(backbone, seeds=20)
    jobs = {str(eta): (case, Loop({"method": "dpt", "eta": float(eta)})) for eta in range(4)}
    jobs["longer"] = (case, Loop({"method": "dpt", "steps": 99}))
    assert sorted(map(sorted, stacks(jobs))) == [["0", "1", "2"], ["3"], ["longer"]]


def test_the_comparison_says_what_was_timed(backbone: Backbone) -> None:
    found = stacked(backbone, replace(TABLE, fingerprint={}), TRUE, seeds=2, steps=1, rounds=1)
    seeds, mixed = found
    assert (seeds["classes"], seeds["training_samples"]) == (2, 400)
    seconds = {row["name"]: row["seconds"]["median"] for row in seeds["rows"]}
    assert list(seconds) == ["2 seeds one by one", "2 seeds stacked", "one seed"]
    assert seeds["stacked_to_one_seed"]["median"] == pytest.approx(seconds["2 seeds stacked"] / seconds["one seed"])
    assert [row["name"] for row in mixed["rows"]] == ["5 settings one by one", "5 settings stacked"]


def test_tuners_fitted_together_have_a_head_each(backbone: Backbone) -> None:
    tuners = [Tuner(backbone, head="linear", method=method, seeds=n, steps=2) for method, n in (("erm", 1), ("dpt", 2))]
    groups = [tuner.run_group(PLAIN, TRUE) for tuner in tuners]
    training = fit_together(tuners, groups)
    assert [group.runs for group in groups] == [slice(0, 1), slice(1, 3)]
    assert [len(tuner.class_weights_) for tuner in tuners] == [1, 2]
    assert torch.equal(tuners[1].head_.weight, training.head.weight[1:])  # type: ignore[arg-type,index]
    for given in (([], []), (tuners, groups[:1])):
        with pytest.raises(UsageError, match=f"{len(given[0])} tuners and {len(given[1])} run groups"):
            stack(*given)
