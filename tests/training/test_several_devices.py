"""Promises: a stack of runs is split over devices, and each run learns what it learns on one, bit for bit;
what is saved does not depend on the number of devices; what is not worth splitting is not."""

from __future__ import annotations

import copy
import threading
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest
import torch

from debias_pt.features.table import FeatureTable
from debias_pt.groups.groups import Groups
from debias_pt.models.backbone import Backbone
from debias_pt.training import several_devices
from debias_pt.training.loop import Callback, Training
from debias_pt.training.several_devices import SplitPass, splits
from debias_pt.training.stacking import fit_together, stack
from debias_pt.training.tuner import Tuner

pytestmark = pytest.mark.filterwarnings("ignore::debias_pt.errors.DebiasWarning")  # of small groups
OPTIONS: dict[str, Any] = {"method": "dpt", "steps": 4, "lr": 0.02}


@pytest.fixture
def several(backbone: Backbone) -> Backbone:
    """A backbone on two stand-ins for GPUs."""
    split = copy.copy(backbone)
    vars(split).pop("replicas", None)
    split.devices = (backbone.device,) * 2
    return split


def groups_of(table: FeatureTable) -> Groups:
    return Groups.true(table.y, table.class_names, list(table.attributes.values()))


class Look(Callback):
    """Keeps the training and its last state."""

    def on_step(self, training: Training) -> None:
        self.training, self.state = training, {name: value.clone() for name, value in training.state_dict().items()}


def one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute the parts in turn, in this thread, on one and the same model."""

    class InTurn:
        def __init__(self, count: int, name: str) -> None: ...

        def submit(self, call: Any, *args: Any) -> Future[Any]:
            done: Future[Any] = Future()
            done.set_result(call(*args))
            return done

    monkeypatch.setattr(several_devices, "ThreadPoolExecutor", InTurn)
    monkeypatch.setattr(Backbone, "replicas", property(lambda backbone: (backbone.model,) * len(backbone.devices)))


@pytest.mark.parametrize("head", ["prompt", "full-prompt", "text-encoder"])
def test_every_run_is_what_it_is_on_one_device(
    backbone: Backbone, several: Backbone, table: FeatureTable, head: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {**OPTIONS, "head": head, "batch_size": 16, "seeds": 3}
    look, plain_look, turn_look = Look(), Look(), Look()
    split = Tuner(several, **options).fit(table, groups_of(table), callbacks=[look])
    assert isinstance(look.training.text_pass, SplitPass)
    assert look.training.text_pass.runs == [slice(0, 2), slice(2, 3)]
    plain = Tuner(backbone, **options).fit(table, groups_of(table), callbacks=[plain_look])
    assert not isinstance(plain_look.training.text_pass, SplitPass)
    assert split.selected_steps_ == plain.selected_steps_
    assert look.state.keys() == plain_look.state.keys()
    # Stacks of another size are equal up to rounding, as everywhere.
    assert split.class_weights_ == pytest.approx(plain.class_weights_, abs=2e-5)
    one_after_the_other(monkeypatch)
    in_turn = Tuner(several, **options).fit(table, groups_of(table), callbacks=[turn_look])
    assert np.array_equal(split.class_weights_, in_turn.class_weights_)
    assert all(torch.equal(value, turn_look.state[name]) for name, value in look.state.items())


@pytest.mark.parametrize("head", ["prompt", "full-prompt", "text-encoder"])
def test_class_weights_and_gradients_are_those_of_each_part_alone(
    backbone: Backbone, several: Backbone, table: FeatureTable, head: str
) -> None:
    tuner = Tuner(several, **OPTIONS, head=head, batch_size=16, seeds=3)
    training = stack([tuner], [tuner.run_group(table, groups_of(table))])
    weights = training.text_pass()
    weights.square().sum().backward()  # type: ignore[no-untyped-call]
    of_stack = dict(training.head.named_parameters())
    for seeds, runs in (((0, 1), slice(0, 2)), ((2,), slice(2, 3))):
        alone = tuner.make_head(table.class_names, seeds, backbone)
        assert torch.equal(alone(), weights[runs])
        alone().square().sum().backward()
        for name, parameter in alone.named_parameters():
            whole = of_stack[name].grad
            assert (whole is None) == (parameter.grad is None)
            assert whole is None or torch.equal(whole[runs], parameter.grad)


def test_parts_run_at_the_same_time_on_copies_of_their_own(several: Backbone, table: FeatureTable) -> None:
    tuner = Tuner(several, **OPTIONS, seeds=2)
    run_group = tuner.run_group(table, groups_of(table))
    training = stack([tuner], [run_group])
    text_pass: Any = training.text_pass
    models = [head.tower._tower for head in text_pass.heads]
    assert models[0] is several.model
    assert models[1] is not several.model
    both = threading.Barrier(2, timeout=60)  # passed only if both parts are under way

    def meet(module: object, inputs: object) -> None:
        both.wait()

    for head in text_pass.heads:
        head.register_forward_pre_hook(meet)
    assert text_pass().shape == (2, len(table.class_names), several.dim)
    with torch.no_grad():
        assert not text_pass().requires_grad


def test_an_error_in_a_part_is_the_fits(several: Backbone, table: FeatureTable) -> None:
    tuner = Tuner(several, **OPTIONS, seeds=2)
    training = stack([tuner], [tuner.run_group(table, groups_of(table))])
    text_pass: Any = training.text_pass

    def fails(module: object, inputs: object) -> None:
        raise MemoryError("of the second device")

    text_pass.heads[1].register_forward_pre_hook(fails)
    with pytest.raises(MemoryError, match="of the second device"):
        training.run()


def test_different_settings_are_split_too(backbone: Backbone, several: Backbone, table: FeatureTable) -> None:
    found = []
    for one in (backbone, several):
        tuners = [Tuner(one, **{**OPTIONS, "method": method}, seeds=2) for method in ("erm", "dpt")]
        training = fit_together(tuners, [tuner.run_group(table, groups_of(table)) for tuner in tuners])
        assert isinstance(training.text_pass, SplitPass) == (one is several)
        found.append([tuner.class_weights_ for tuner in tuners])
    for one, other in zip(*found, strict=True):
        assert one == pytest.approx(other, abs=2e-5)


def test_a_fit_goes_on_with_another_number_of_devices(
    backbone: Backbone, several: Backbone, table: FeatureTable
) -> None:
    class Stop(Look):
        def on_step(self, training: Training) -> None:
            super().on_step(training)
            if training.step_ == 2:
                raise KeyboardInterrupt

    class Resume(Callback):
        def on_start(self, training: Training) -> None:
            training.load_state_dict(stop.state)

    options, stop = {**OPTIONS, "seeds": 3}, Stop()
    with pytest.raises(KeyboardInterrupt):
        Tuner(several, **options).fit(table, groups_of(table), callbacks=[stop])
    resumed = Tuner(backbone, **options).fit(table, groups_of(table), callbacks=[Resume()])
    whole = Tuner(backbone, **options).fit(table, groups_of(table))
    assert resumed.class_weights_ == pytest.approx(whole.class_weights_, abs=2e-5)


def test_what_is_not_worth_splitting(backbone: Backbone, several: Backbone, table: FeatureTable) -> None:
    head = Tuner(several, **OPTIONS, seeds=2).make_head(table.class_names)
    linear = Tuner(several, **OPTIONS, head="linear").make_head(table.class_names)
    assert splits(several, head, runs=2, classes=2)
    assert not splits(backbone, head, runs=2, classes=2)  # one device
    assert not splits(several, head, runs=1, classes=2)
    assert not splits(several, linear, runs=2, classes=2)  # no text pass
    on_gpus: Any = type("OnGpus", (), {"devices": (0, 1), "device": torch.device("cuda", 0)})()
    few = several_devices.FEW_ON_GPU // 4
    assert not splits(on_gpus, head, runs=4, classes=few)
    assert splits(on_gpus, head, runs=4, classes=few + 1)
