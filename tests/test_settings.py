"""Promises: every setting says where help shows it and what it takes; wrong words are one line with the nearest,
however settings are built; a younger setting that is not used changes neither a run's nor a result's identity."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from debias_pt.benchmarks.noisy_labels.settings import NoisySettings
from debias_pt.errors import UsageError
from debias_pt.settings import ADDED_LATER, SECTIONS, FitSettings, TrainSettings, choices, identity, resolve
from debias_pt.training.selection import RULES
from debias_pt.utils.typed import kinds
from debias_pt.workflows.run_folder import RunFolder
from debias_pt.workflows.train import train

ALL = [(kind, field) for kind in (TrainSettings, NoisySettings) for field in dataclasses.fields(kind)]


@pytest.mark.parametrize(("kind", "field"), ALL, ids=lambda one: getattr(one, "name", ""))
def test_every_setting_is_declared_whole(kind: type, field: dataclasses.Field[Any]) -> None:
    assert field.metadata["section"] in SECTIONS
    assert field.metadata["help"].endswith((".", ".'"))
    assert kinds(kind)[field.name].base in (str, int, float, bool, tuple)
    assert kinds(kind)[field.name].take(field.name, field.default) == field.default
    known = choices(field)
    assert field.default is None or not known or field.default in known


def test_selections_are_the_rules() -> None:
    assert sorted(choices(FitSettings.__dataclass_fields__["select"])) == sorted(RULES)


def test_wrong_words_are_refused_with_the_nearest() -> None:
    for build in (lambda **given: TrainSettings(**given), lambda **given: resolve(TrainSettings, given)):
        with pytest.raises(UsageError) as raised:
            build(normalize="men")
        assert str(raised.value) == "normalize is 'men' (did you mean 'mean'?); mean or sum expected"
    with pytest.raises(UsageError, match="select is 'wag'"):
        dataclasses.replace(TrainSettings(), select="wag")


def test_younger_settings_change_an_identity_only_if_they_are_used() -> None:
    old = {name: value for name, value in dataclasses.asdict(FitSettings()).items() if name not in ADDED_LATER}
    assert identity(dataclasses.asdict(FitSettings())) == old
    assert identity(dataclasses.asdict(FitSettings(method_option=("eta=3",)))) != old


@pytest.mark.filterwarnings("ignore::debias_pt.errors.DebiasWarning")
def test_an_unfinished_run_from_before_a_setting_goes_on(
    train_tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "finish", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train_tiny(tmp_path / "run", checkpoint_every=2)
    run = RunFolder(tmp_path / "run")
    assert run.read_checkpoint() is not None
    config = run.config
    old = {name: value for name, value in config.items() if name not in ADDED_LATER}
    assert old != config
    (run.path / "config.json").write_text(json.dumps(old))
    result = train(resolve(TrainSettings, config, {"out": str(run.path)}), resume=True)
    whole = RunFolder(train_tiny(tmp_path / "whole")).result
    assert result["per_seed"] == whole["per_seed"]


def test_an_option_by_name_is_the_same_fit_as_its_setting(train_tiny: Any, tmp_path: Path) -> None:
    by_setting = train_tiny(tmp_path / "setting", eta=5.0)
    by_name = train_tiny(tmp_path / "name", method_option=["eta=5"])
    facts = [json.loads((run / "run.json").read_text())["method"] for run in (by_setting, by_name)]
    assert facts[0] == facts[1] == {"name": "dpt", "eta": 5.0, "ema": 0.9, "refresh": "step", "normalize": "mean"}
    results = [json.loads((run / "result.json").read_text())["per_seed"] for run in (by_setting, by_name)]
    assert results[0] == results[1]
