"""Promises: a run folder gives back what it was given, and knows whether a run is the same work; by small cases."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from debias_pt.errors import FingerprintError, OutputError, RunError
from debias_pt.utils.files import read_tensors, write_json
from debias_pt.workflows.run_folder import RunFolder, fixed, new_path, newest, same_work

CONFIG = {"dataset": "waterbirds", "method": "dpt", "seed": 3}
FACTS = {"backbone": {"weights": "w"}, "versions": {"python": "3"}, "data": {"labels": "l"}}


def made(path: Path) -> RunFolder:
    run = RunFolder.create(path, CONFIG)
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
    for name in (
        "checkpoint_every", "workers", "cache_dir", "download", "encode_batch_size", "split", "data_root", "device",
        "model", "pretrained",
    ):  # fmt: skip
        assert same_work(config, {**config, name: "b"}), name
    assert not same_work(config, {**config, "method": "erm"})
    assert fixed(config)["method"] == "dpt"


def test_every_file_names_the_run_it_belongs_to(tmp_path: Path) -> None:
    """A checkpoint is refused once the settings, the model or the data are others; what may move may."""
    run = made(tmp_path / "run")
    run.write_checkpoint({"step": torch.tensor(4)})
    assert read_tensors(run.path / "checkpoint.safetensors")[1].keys() == {"settings", "backbone", "data"}
    for config, facts, named in (
        ({"seed": 4}, {}, "seed"),
        ({}, {"backbone": {"weights": "x"}}, "weights"),
        ({}, {"data": {"labels": "m"}}, "labels"),
    ):
        write_json(run.path / "config.json", {**CONFIG, **config})
        write_json(run.path / "run.json", {**FACTS, **facts})
        with pytest.raises(FingerprintError, match=f"{named}.*; delete it and start again"):
            run.read_checkpoint()
    write_json(run.path / "config.json", {**CONFIG, "cache_dir": "elsewhere"})
    write_json(run.path / "run.json", {**FACTS, "versions": {}})
    assert run.read_checkpoint() is not None


@pytest.mark.parametrize("part", ["backbone", "data", "group_counts", "attributes"])
def test_facts_are_written_once_and_compared_after(tmp_path: Path, part: str) -> None:
    run = RunFolder.create(tmp_path / "run", CONFIG)
    facts = {**FACTS, "group_counts": {"cat": 1}, "attributes": [{"name": "place"}]}
    run.require_backbone({"weights": "any"})  # nothing to compare with yet
    run.write_facts(facts)
    run.write_facts({**facts, "versions": {"python": "4"}})
    assert run.facts == facts  # the first ones stay
    with pytest.raises(FingerprintError, match="resume with what it was started with"):
        run.write_facts({**facts, part: [7] if part == "attributes" else {"another": 1}})


def test_of_two_processes_that_begin_at_once_one_makes_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def outrun(path: Path, value: Any) -> bool:
        write_json(path, {"of": "the other"})
        return False

    monkeypatch.setattr("debias_pt.workflows.run_folder.write_json_once", outrun)
    with pytest.raises(RunError, match="already holds a run"):
        RunFolder.create(tmp_path / "run", CONFIG)
    assert RunFolder(tmp_path / "run").config == {"of": "the other"}


def test_one_process_writes(tmp_path: Path) -> None:
    run = made(tmp_path / "run")
    with run.writing():
        assert (run.path / ".lock").exists()
        with pytest.raises(RunError, match="another process is training in this run"), run.writing():
            raise AssertionError("two write")
    assert not (run.path / ".lock").exists()


def test_names_of_new_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.strftime", lambda form: "20260102-030405")
    assert new_path("some/birds", "dpt") == Path("runs/birds-dpt-20260102-030405")
    assert new_path("some/birds", "dpt") == Path("runs/birds-dpt-20260102-030405-2")
    assert new_path("birds", "dpt") == Path("runs/birds-dpt-20260102-030405-3")
    assert Path("runs/birds-dpt-20260102-030405-3").is_dir()


def test_the_newest_run_of_each_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, finished in (("a", 2), ("b", 3), ("c", 1)):
        RunFolder.create(Path("runs") / name, {**CONFIG, "seed": ord(name)}).finish({}, {}, {"finished": finished})
    for i, name in enumerate("xy"):
        RunFolder.create(Path("runs") / name, {**CONFIG, "seed": ord(name)})
        os.utime(Path("runs") / name / "config.json", (100 - i, 100 - i))
    assert newest(finished=True).path.name == "b"
    assert newest(finished=False).path.name == "x"
    assert newest(finished=True, matching={**CONFIG, "seed": ord("a"), "device": "cpu"}).path.name == "a"
    assert newest(finished=False, matching={**CONFIG, "seed": ord("y")}).path.name == "y"
    with pytest.raises(RunError, match="no unfinished run with these settings under .*runs"):
        newest(finished=False, matching={**CONFIG, "seed": 0})
    monkeypatch.chdir(tmp_path / "runs")
    with pytest.raises(RunError, match="no finished run under"):
        newest(finished=True)


def test_what_is_no_run_of_ours_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, config, result in (
        ("list", "[]", None), ("foreign", '{"a": 1}', None), ("broken", "{", None),
        ("odd", '{"method": "dpt"}', "[]"), ("other", '{"method": "dpt"}', '{"score": 1}'),
    ):  # fmt: skip
        folder = Path("runs") / name
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(config)
        if result:
            (folder / "result.json").write_text(result)
    for finished in (True, False):
        with pytest.raises(RunError, match="no .*finished run"):
            newest(finished=finished)


def test_where_no_run_can_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file is not a writable folder; choose another"):
        RunFolder.require_free(tmp_path / "file" / "run")
    RunFolder.require_free(tmp_path / "new" / "run")
    assert not (tmp_path / "new").exists()
    run = made(tmp_path / "run")
    with pytest.raises(RunError, match=r"not finished; resume with debias-pt train \.\.\. --out"):
        run.read_prompt()
