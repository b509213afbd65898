"""Promises: a run folder is whole or says what is missing; a killed run goes on bit by bit; nothing that belongs to
another model, data or setting is taken for it."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from debias_pt.errors import FingerprintError, OutputError, RunError
from debias_pt.features.table import FeatureTable
from debias_pt.utils.files import read_tensors, write_bytes, write_json, write_tensors
from debias_pt.utils.fingerprint import require_match
from debias_pt.workflows.run_folder import RunFolder, fixed, new_path, newest, same_work
from tests.conftest import THREADS
from tests.helpers.signals import heed_interrupts
from tests.helpers.tiny_data import FOLDER, write_checkpoint

Cli = Any
CONFIG = {"dataset": "waterbirds", "method": "dpt", "seed": 3}
FACTS = {"backbone": {"weights": "w"}, "versions": {"python": "3"}, "data": {"labels": "l"}}


def start(*words: object, cache: Path) -> subprocess.Popen[str]:
    env = {**os.environ, "DEBIAS_PT_CACHE": str(cache), "OMP_NUM_THREADS": str(THREADS)}
    command = [sys.executable, "-m", "debias_pt", *map(str, words)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=env, text=True, preexec_fn=heed_interrupts, **pipes)


def wait_for(path: Path, run: subprocess.Popen[str]) -> None:
    deadline = time.time() + 120
    while not path.exists() and run.poll() is None and time.time() < deadline:
        time.sleep(0.01)
    assert path.exists(), run.communicate()


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_training_resumes_bit_by_bit(
    cli: Cli, tiny: list[str], cache_dir: Path, tmp_path: Path, stop: signal.Signals
) -> None:
    options = [*tiny, "--steps", 600, "--seeds", 2, "--checkpoint-every", 20, "--batch-size", 30, "--no-baselines"]
    whole = cli("train", "waterbirds", *options, "--out", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    out = tmp_path / "stopped"
    run = start("train", "waterbirds", *options, "--out", out, cache=cache_dir)
    wait_for(out / "checkpoint.safetensors", run)
    run.send_signal(stop)
    _, errors = run.communicate(timeout=60)
    assert run.returncode == (130 if stop is signal.SIGINT else -signal.SIGKILL)
    if stop is signal.SIGINT:
        assert errors.strip().splitlines()[-1].startswith("error: interrupted; ")
    assert not (out / "result.json").exists()
    assert {path.name for path in out.glob(".*")} <= {".lock"}
    done = int(read_tensors(out / "checkpoint.safetensors")[0]["step"])
    assert 0 < done < 600
    resumed = cli("train", "waterbirds", *options, "--out", out, "--resume", "--json")
    assert resumed.returncode == 0, resumed.stderr
    first, second = (read_tensors(tmp_path / name / "prompt.safetensors")[0] for name in ("whole", "stopped"))
    assert torch.equal(first["context"], second["context"])
    histories = [RunFolder(tmp_path / name).history() for name in ("whole", "stopped")]
    assert histories[0] == histories[1]
    assert [row["step"] for row in histories[1]] == list(range(600))
    assert not (out / "checkpoint.safetensors").exists()
    again = cli("train", "waterbirds", *options, "--out", out, "--resume", "--json")
    assert json.loads(again.stdout) == json.loads(resumed.stdout)
    other = cli("train", "waterbirds", *options, "--out", out, "--resume", "--split", "val")
    assert other.returncode == 2
    assert "finished, its result is of the 'test' split; for another: debias-pt eval" in other.stderr


def test_two_processes_cannot_train_in_one_run(cli: Cli, tiny: list[str], cache_dir: Path, tmp_path: Path) -> None:
    options = [*tiny, "--steps", 100_000, "--checkpoint-every", 1, "--out", tmp_path / "run"]
    run = start("train", "waterbirds", *options, cache=cache_dir)
    wait_for(tmp_path / "run" / "checkpoint.safetensors", run)
    second = cli("train", "waterbirds", *options, "--resume")
    run.kill()
    run.communicate()
    assert second.returncode == 2
    assert "another process is training in this run; wait for it" in second.stderr


def test_resuming_with_other_settings_or_model_is_refused(
    cli: Cli, tiny: list[str], cache_dir: Path, tmp_path: Path
) -> None:
    options = [*tiny, "--steps", 100_000, "--checkpoint-every", 1]
    run = start("train", "waterbirds", *options, "--out", tmp_path / "run", cache=cache_dir)
    wait_for(tmp_path / "run" / "checkpoint.safetensors", run)
    run.kill()
    run.communicate()
    other = cli("train", "waterbirds", *options, "--out", tmp_path / "run", "--resume", "--lr", 0.5)
    assert other.returncode == 2
    assert "its lr is 0.004, here it is 0.5; resume with the same settings: --config" in other.stderr
    fresh = cli("train", "waterbirds", *options, "--out", tmp_path / "run")
    assert fresh.returncode == 2
    assert "already holds a run; add --resume" in fresh.stderr
    model = write_checkpoint(tmp_path / Path(tiny[4].partition(":")[2]).name, seed=9)
    moved = [*options[:4], f"local-dir:{model}", *options[5:]]
    swapped = cli("train", "waterbirds", *moved, "--out", tmp_path / "run", "--resume")
    assert swapped.returncode == 2
    assert "its backbone weights is" in swapped.stderr
    unfinished = cli("eval", tmp_path / "run")
    assert unfinished.returncode == 2
    assert "not finished; resume with" in unfinished.stderr


def test_evaluating_with_another_model_or_data_is_refused(
    cli: Cli, tiny: list[str], data_root: Path, tmp_path: Path
) -> None:
    trained = cli("train", "waterbirds", *tiny, "--steps", 2, "--out", tmp_path / "run")
    assert trained.returncode == 0, trained.stderr
    other = write_checkpoint(tmp_path / "other", seed=3)
    swapped = cli("eval", tmp_path / "run", "--pretrained", f"local-dir:{other}")
    assert swapped.returncode == 2
    assert "its weights is '" in swapped.stderr
    assert "give the run's --model and --pretrained" in swapped.stderr
    renamed = shutil.copytree(tiny[4].partition(":")[2], tmp_path / "renamed")
    moved = cli("eval", tmp_path / "run", "--pretrained", f"local-dir:{renamed}")
    assert moved.returncode == 0, moved.stderr
    image = next((data_root / FOLDER).glob("*/test_0_*.jpg"))
    pixels = image.read_bytes()
    Image.new("RGB", (40, 36)).save(image)
    repainted = cli("eval", tmp_path / "run", "--data-root", data_root)
    assert repainted.returncode == 2
    assert "its content is '" in repainted.stderr
    image.write_bytes(pixels)
    metadata = data_root / FOLDER / "metadata.csv"
    metadata.write_text("".join(metadata.read_text().splitlines(keepends=True)[:-1]))
    changed = cli("eval", tmp_path / "run", "--data-root", data_root)
    assert changed.returncode == 2
    assert "give the run's --data-root" in changed.stderr


def test_history_drops_a_line_cut_short_by_a_kill(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert run.history() == []
    run.append_history([{"step": 0}, {"step": 1}])
    run.append_history([{"step": 2}])
    with open(tmp_path / "history.jsonl", "a") as file:
        file.write('{"step": 3, "lo')
    assert [row["step"] for row in run.history()] == [0, 1, 2]
    run.trim_history(2)
    run.append_history([{"step": 2}])
    assert [row["step"] for row in run.history()] == [0, 1, 2]


def test_the_first_difference_is_named() -> None:
    with pytest.raises(FingerprintError, match="cache: its model weights is 'a', here it is 'b'; go"):
        require_match({"model": {"weights": "a", "x": 1}}, {"model": {"weights": "b", "x": 1}}, "cache", "go")
    require_match({"a": 1}, {"a": 1}, "", "")


def test_writing_fails_whole_with_the_old_file_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "result.json"
    write_json(path, {"old": True})

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"result\.json: cannot write \(No space left on device\); free some space"):
        write_json(path, {"new": True})
    assert json.loads(path.read_text()) == {"old": True}
    assert [p.name for p in tmp_path.iterdir()] == ["result.json"]


def test_tensors_round_trip_with_their_header(tmp_path: Path) -> None:
    write_tensors(tmp_path / "x.safetensors", {"a": torch.arange(3)}, {"model": "tiny"})
    tensors, meta = read_tensors(tmp_path / "x.safetensors")
    assert tensors["a"].tolist() == [0, 1, 2]
    assert meta == {"model": "tiny"}
    from safetensors.torch import save

    write_bytes(tmp_path / "y.safetensors", save({"a": torch.arange(3)}))
    with pytest.raises(FingerprintError, match="not written by debias-pt"):
        read_tensors(tmp_path / "y.safetensors")


def test_a_full_disk_is_one_line(cli: Cli, tiny: list[str], table: FeatureTable, tmp_path: Path) -> None:
    """A limit on file sizes fails real writes in the middle of training, as a full disk does."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))

    words = ["train", "waterbirds", *tiny, "--steps", 200, "--checkpoint-every", 1, "--out", tmp_path / "run"]
    run = cli(*words, preexec_fn=limit)
    assert run.returncode == 2
    lines = [line for line in run.stderr.splitlines() if not line.startswith("warning: ")]
    assert len(lines) == 1
    assert str(tmp_path / "run") in lines[0]
    assert "cannot write (File too large); free some space" in lines[0]
    assert not list((tmp_path / "run").glob(".*"))


def test_an_output_folder_that_cannot_be_written_is_one_line(cli: Cli, tiny: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    run = cli("train", "waterbirds", *tiny, "--steps", 2, "--out", tmp_path / "file" / "run")
    assert run.returncode == 2
    assert "cannot create this folder, " in run.stderr
    assert run.stderr.count("\n") == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_output_folder_is_one_line(cli: Cli, tiny: list[str], tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    run = cli("train", "waterbirds", *tiny, "--steps", 2, "--out", tmp_path / "locked" / "run")
    assert run.returncode == 2
    assert "is not a writable folder" in run.stderr


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
    (run.path / "checkpoint.safetensors").write_bytes(b"not safetensors")
    with pytest.raises(FingerprintError, match="damaged or unreadable"):
        run.read_checkpoint()


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
    with pytest.raises(RunError, match="no finished run under .*debias-pt train"):
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
