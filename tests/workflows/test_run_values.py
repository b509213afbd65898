"""Promises: a run folder gives back what it was given, and knows whether a run is the same work; by small cases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from debias_pt.errors import FingerprintError, RunError
from debias_pt.workflows.run_folder import RunFolder, fixed, same_work

FACTS = {"backbone": {"weights": "w"}, "versions": {"python": "3"}, "data": {"labels": "l"}}


def made(path: Path) -> RunFolder:
    run = RunFolder.create(path, {"dataset": "waterbirds", "method": "dpt", "seed": 3})
    run.write_facts(FACTS)
    return run


def test_a_folder_holds_one_run(tmp_path: Path) -> None:
    run = made(tmp_path / "a" / "b")
    assert run.config == {"dataset": "waterbirds", "method": "dpt", "seed": 3}
    assert RunFolder.open(run.path).facts["backbone"] == {"weights": "w"}
    assert not run.finished
    with pytest.raises(RunError, match="already holds a run"):
        RunFolder.create(run.path, {})
    with pytest.raises(RunError, match="no run here"):
        RunFolder.open(tmp_path)


def test_what_was_learned_comes_back(tmp_path: Path) -> None:
    run = made(tmp_path / "run")
    assert run.read_checkpoint() is None
    run.write_checkpoint({"step": torch.tensor(4), "x": torch.arange(3.0)})
    kept = run.read_checkpoint()
    assert kept is not None
    assert int(kept["step"]) == 4
    assert kept["x"].tolist() == [0, 1, 2]
    assert run.read_baseline() is None
    run.write_baseline({"context": torch.ones(2)})
    baseline = run.read_baseline()
    assert baseline is not None
    assert baseline["context"].tolist() == [1, 1]
    assert run.read_probe() == {}
    run.write_probe({"a/prior": torch.zeros(1)})
    assert list(run.read_probe()) == ["a/prior"]
    meta: dict[str, Any] = {"class_names": ["cat", "dog"], "seeds": [3]}
    run.finish({"context": torch.full((1, 2), 7.0)}, meta, {"worst_group_accuracy": 0.5})
    assert run.finished
    assert run.result["worst_group_accuracy"] == 0.5
    state, found = run.read_prompt()
    assert state["context"].tolist() == [[7, 7]]
    assert (found["class_names"], found["seeds"]) == (["cat", "dog"], [3])
    assert run.read_checkpoint() is None  # a finished run needs none


def test_history_is_appended_and_cut_before_a_step(tmp_path: Path) -> None:
    run = made(tmp_path / "run")
    assert run.history() == []
    run.append_history([{"step": 0}, {"step": 1}])
    run.append_history([{"step": 2}])
    assert [row["step"] for row in run.history()] == [0, 1, 2]
    run.trim_history(2)
    assert [row["step"] for row in run.history()] == [0, 1]


def test_another_backbone_is_refused(tmp_path: Path) -> None:
    run = made(tmp_path / "run")
    run.require_backbone({"weights": "w"})
    with pytest.raises(FingerprintError, match="weights"):
        run.require_backbone({"weights": "other"})


def test_what_makes_the_same_work() -> None:
    config = {"dataset": "waterbirds", "method": "dpt", "seed": 3, "data_root": "a"}
    assert same_work(config, {**config, "data_root": "b"})
    assert not same_work(config, {**config, "method": "erm"})
    assert fixed(config)["method"] == "dpt"
